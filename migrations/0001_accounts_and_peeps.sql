-- One text for both engines: ids, times (milliseconds since 1970) and counts are BIGINT.

CREATE TABLE accounts (
    id            BIGINT PRIMARY KEY,
    kind          TEXT    NOT NULL CHECK (kind IN ('member', 'guest', 'bot', 'managed')),
    username      TEXT    UNIQUE,                -- lower case; NULL for guests
    name          TEXT    NOT NULL,
    email         TEXT,                          -- as typed
    email_key     TEXT    UNIQUE,                -- as compared
    password_hash TEXT,                          -- Argon2id, as a PHC string
    admin         BOOLEAN NOT NULL DEFAULT FALSE,
    mention_mail  BOOLEAN NOT NULL DEFAULT TRUE,
    created_at    BIGINT  NOT NULL
);

CREATE INDEX accounts_by_kind ON accounts (kind); -- every page says how many members there are

-- Facts of which there is one each. 'admin' is the id of the first member: the primary key
-- decides who was first, also when two sign up at once.
CREATE TABLE instance (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE sessions (
    token_hash TEXT   PRIMARY KEY,               -- SHA-256 of the cookie's token, hex
    account_id BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL
);
CREATE INDEX sessions_by_account ON sessions (account_id);
CREATE INDEX sessions_by_seen_at ON sessions (seen_at);

-- A stream numbers its changes 1, 2, 3 … without gaps, in commit order. A reader who knows the
-- last number it saw can tell that something is missing, and ask for it.
CREATE TABLE streams (
    name     TEXT   PRIMARY KEY,
    last_seq BIGINT NOT NULL
);
INSERT INTO streams (name, last_seq) VALUES ('public', 0);

CREATE TABLE peeps (
    id              BIGINT PRIMARY KEY,
    account_id      BIGINT NOT NULL REFERENCES accounts (id),
    body            TEXT   NOT NULL,             -- empty once deleted
    reply_to        BIGINT REFERENCES peeps (id),
    seq             BIGINT NOT NULL,             -- the stream's number of its last change
    likes           BIGINT NOT NULL DEFAULT 0,
    replies         BIGINT NOT NULL DEFAULT 0,   -- direct ones that are not deleted
    created_at      BIGINT NOT NULL,
    edited_at       BIGINT,
    deleted_at      BIGINT,                      -- the row stays, so that a conversation keeps its shape
    idempotency_key TEXT
);
CREATE UNIQUE INDEX peeps_by_seq ON peeps (seq);
CREATE INDEX peeps_by_account ON peeps (account_id, id);
CREATE INDEX peeps_by_reply_to ON peeps (reply_to, id) WHERE reply_to IS NOT NULL;
CREATE UNIQUE INDEX peeps_by_idempotency_key ON peeps (account_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

-- What an edited peep said before: the body and when it was written.
CREATE TABLE peep_versions (
    peep_id    BIGINT NOT NULL REFERENCES peeps (id),
    version    BIGINT NOT NULL,                  -- 1 is the first
    body       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (peep_id, version)
);

CREATE TABLE likes (
    peep_id    BIGINT NOT NULL REFERENCES peeps (id),
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (peep_id, account_id)
);

CREATE TABLE tags (
    tag     TEXT   NOT NULL,
    peep_id BIGINT NOT NULL REFERENCES peeps (id),
    PRIMARY KEY (tag, peep_id)
);
CREATE INDEX tags_by_peep ON tags (peep_id);

-- Who was ever mentioned in a peep: a row means that the mail was promised, once.
CREATE TABLE mentions (
    peep_id    BIGINT NOT NULL REFERENCES peeps (id),
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    PRIMARY KEY (peep_id, account_id)
);

-- The outbox: work promised in a transaction and done after it.
CREATE TABLE jobs (
    id         BIGINT PRIMARY KEY,
    work       TEXT   NOT NULL,                  -- JSON; ids only, never addresses or words
    run_at     BIGINT NOT NULL,                  -- not before this
    attempts   BIGINT NOT NULL DEFAULT 0,
    node       TEXT,                             -- who is at it now
    created_at BIGINT NOT NULL
);
CREATE INDEX jobs_by_run_at ON jobs (run_at);
