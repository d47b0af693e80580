-- Threads: private conversations of people who are named.

-- What a program keeps with a conversation that it has made: a JSON object, or nothing.
ALTER TABLE conversations ADD COLUMN metadata TEXT NOT NULL DEFAULT '';

-- What is said there is not to call this participant.
ALTER TABLE participants ADD COLUMN muted BOOLEAN NOT NULL DEFAULT FALSE;
-- Everything up to this message has reached a device of this participant.
ALTER TABLE participants ADD COLUMN delivered_seq BIGINT NOT NULL DEFAULT 0;
