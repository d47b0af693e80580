-- What was answered to a request that a client may send again: it gets the same answer, and nothing is done
-- twice. The row is written in the transaction that does what was asked for.
CREATE TABLE idempotency (
    owner       TEXT   NOT NULL,                 -- an account ('a17'), or a stranger's place ('p' and its hash)
    key         TEXT   NOT NULL,                 -- as the client wrote it
    fingerprint TEXT   NOT NULL,                 -- SHA-256 of the method, the address and the body, hex
    status      BIGINT NOT NULL DEFAULT 0,       -- of the answer
    location    TEXT,                            -- where what was made is
    body        TEXT   NOT NULL DEFAULT '',      -- JSON, or nothing
    said_id     BIGINT,                          -- the message or the peep that is in it: it goes with that
    conversation_id BIGINT,                      -- and with the conversation where that was said
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_by_said ON idempotency (said_id) WHERE said_id IS NOT NULL;
CREATE INDEX idempotency_by_conversation ON idempotency (conversation_id) WHERE conversation_id IS NOT NULL;
CREATE INDEX idempotency_by_created_at ON idempotency (created_at);
