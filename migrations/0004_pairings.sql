-- Weekly pairs, groups that go on, and what those see who come later.

-- A participant sees what was said after this message: whoever comes later, nothing from before.
ALTER TABLE participants ADD COLUMN sees_after BIGINT NOT NULL DEFAULT 0;

-- In the order in which those are looked for who had to wait.
DROP INDEX seekers_held;
CREATE INDEX seekers_held ON seekers (pool, since, account_id) WHERE held;
-- Groups that have room for one more.
CREATE INDEX seekers_in_groups ON seekers (conversation_id) WHERE pool = 'group' AND state = 'matched';

-- Weekly pairs: members who are paired each Monday, and who was paired with whom when.
CREATE TABLE weekly (
    account_id BIGINT PRIMARY KEY REFERENCES accounts (id),
    joined_at  BIGINT NOT NULL
);
CREATE TABLE pairings (
    one_id          BIGINT NOT NULL REFERENCES accounts (id),
    other_id        BIGINT NOT NULL REFERENCES accounts (id), -- the higher of the two
    conversation_id BIGINT NOT NULL,                          -- it may be gone, and is remembered
    paired_at       BIGINT NOT NULL,                          -- the last time
    PRIMARY KEY (one_id, other_id)
);
CREATE INDEX pairings_by_other ON pairings (other_id);
CREATE INDEX pairings_by_conversation ON pairings (conversation_id);
