-- Catching up: what changed since. Each transaction has a tick, and what it changes bears it. On SQLite it is
-- counted here. On PostgreSQL it is the transaction's own id, and what is here is added to it: a database that was
-- moved to another cluster goes on where it was.
INSERT INTO streams (name, last_seq) VALUES ('ticks', 0);

ALTER TABLE conversations ADD COLUMN tick BIGINT NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN tick BIGINT NOT NULL DEFAULT 0;
-- Of one's own place, which is one's own; and of how far one has come, which the others of a thread are told.
ALTER TABLE participants ADD COLUMN tick BIGINT NOT NULL DEFAULT 0;
ALTER TABLE participants ADD COLUMN receipt_tick BIGINT NOT NULL DEFAULT 0;
CREATE INDEX messages_by_tick ON messages (conversation_id, tick);
CREATE INDEX participants_by_receipt_tick ON participants (conversation_id, receipt_tick);

-- Who was in a conversation that was deleted: its own rows go soon, and whoever was away then is still to hear of it.
CREATE TABLE departures (
    account_id      BIGINT NOT NULL,
    conversation_id BIGINT NOT NULL,
    tick            BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (account_id, conversation_id)
);
CREATE INDEX departures_by_created_at ON departures (created_at);
