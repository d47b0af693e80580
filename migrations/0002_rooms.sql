-- Guests, and conversations: rooms are the first kind of them.

-- How a name and a username look (domain/names.rs): a guest must not look like a member. NULL until
-- the server has worked it out, which it does when it starts.
ALTER TABLE accounts ADD COLUMN name_skeleton TEXT;
ALTER TABLE accounts ADD COLUMN username_skeleton TEXT;
-- When a guest was let go who had not said anything for long. Its words stay under its name.
ALTER TABLE accounts ADD COLUMN swept_at BIGINT;
CREATE INDEX accounts_by_name_skeleton ON accounts (name_skeleton);
CREATE INDEX accounts_by_username_skeleton ON accounts (username_skeleton);

CREATE TABLE conversations (
    id          BIGINT PRIMARY KEY,
    kind        TEXT    NOT NULL CHECK (kind IN ('room', 'match', 'thread')),
    name        TEXT    NOT NULL,
    owner_id    BIGINT  REFERENCES accounts (id),
    locked      BOOLEAN NOT NULL DEFAULT FALSE,
    last_seq    BIGINT  NOT NULL DEFAULT 0,      -- the number of the last message
    last_change BIGINT  NOT NULL DEFAULT 0,      -- the number of the last change of whatever kind
    size        BIGINT  NOT NULL DEFAULT 0,      -- participants who are in it
    active_at   BIGINT  NOT NULL,                -- when something was last said, or it was made
    created_at  BIGINT  NOT NULL,
    deleted_at  BIGINT                           -- gone for everyone; what it held goes in small batches
);
CREATE INDEX conversations_by_deleted_at ON conversations (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX conversations_by_active_at ON conversations (active_at);

-- A room's link. The old ones stay, so that those inside who still have an old one find the room.
CREATE TABLE links (
    key_hash        TEXT   PRIMARY KEY,          -- SHA-256 of the key, hex: a look-up tells nothing by its time
    key             TEXT   NOT NULL,             -- 128 random bits, base64url: people share it
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    expires_at      BIGINT,                      -- lets nobody new in from then on
    uses_left       BIGINT,                      -- lets in so many more
    created_at      BIGINT NOT NULL,
    revoked_at      BIGINT                       -- there is a newer one
);
CREATE UNIQUE INDEX links_that_hold ON links (conversation_id) WHERE revoked_at IS NULL;
CREATE INDEX links_by_conversation ON links (conversation_id);

CREATE TABLE participants (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    account_id      BIGINT NOT NULL REFERENCES accounts (id),
    alias           TEXT,                        -- shown here in place of the account's name
    skeleton        TEXT   NOT NULL,             -- how what is shown looks
    read_seq        BIGINT NOT NULL DEFAULT 0,   -- everything up to this message has been read
    place           TEXT,                        -- where it came in from, as a keyed hash of the address
    joined_at       BIGINT NOT NULL,
    left_at         BIGINT,                      -- it left or was removed
    barred_until    BIGINT,                      -- it was removed, and can't come back before this
    PRIMARY KEY (conversation_id, account_id)
);
CREATE INDEX participants_by_account ON participants (account_id) WHERE left_at IS NULL;
CREATE INDEX participants_by_skeleton ON participants (conversation_id, skeleton);

-- Addresses from which no new guest comes in, because one was removed.
CREATE TABLE bars (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    place           TEXT   NOT NULL,
    until           BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, place)
);
CREATE INDEX bars_by_until ON bars (until);

CREATE TABLE messages (
    id              BIGINT PRIMARY KEY,
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    seq             BIGINT NOT NULL,             -- 1, 2, 3 … without gaps, in commit order
    change          BIGINT NOT NULL,             -- the conversation's number of its last change
    account_id      BIGINT NOT NULL REFERENCES accounts (id),
    alias           TEXT,                        -- a bot may speak under another name each time
    body            TEXT   NOT NULL,             -- empty once deleted
    folded          TEXT   NOT NULL,             -- the words as they are searched
    mentions        TEXT   NOT NULL DEFAULT '',  -- 7:nell 9:ify
    reply_to        BIGINT,                      -- a message of the same conversation
    reactions       TEXT   NOT NULL DEFAULT '',  -- JSON: the sum of its rows in reactions
    attachments     TEXT   NOT NULL DEFAULT '',  -- JSON: what is shown of its rows in attachments
    created_at      BIGINT NOT NULL,
    edited_at       BIGINT,
    deleted_at      BIGINT,                      -- the row stays, so that the numbers have no gap
    idempotency_key TEXT
);
CREATE UNIQUE INDEX messages_by_seq ON messages (conversation_id, seq);
CREATE UNIQUE INDEX messages_by_change ON messages (conversation_id, change);
CREATE INDEX messages_by_account ON messages (account_id, id);
CREATE UNIQUE INDEX messages_by_idempotency_key ON messages (account_id, conversation_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

CREATE TABLE reactions (
    message_id BIGINT NOT NULL REFERENCES messages (id),
    emoji      TEXT   NOT NULL,
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (message_id, emoji, account_id)
);

-- Files: the bytes are in the data folder under the same id.
CREATE TABLE attachments (
    id              BIGINT PRIMARY KEY,
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    account_id      BIGINT NOT NULL REFERENCES accounts (id),
    message_id      BIGINT REFERENCES messages (id), -- NULL until it is said
    name            TEXT   NOT NULL,
    media_type      TEXT   NOT NULL,             -- of an image that we made ourselves, or octet-stream
    bytes           BIGINT NOT NULL,
    width           BIGINT,
    height          BIGINT,
    created_at      BIGINT NOT NULL
);
CREATE INDEX attachments_by_message ON attachments (message_id);
CREATE INDEX attachments_by_conversation ON attachments (conversation_id);
CREATE INDEX attachments_by_account ON attachments (account_id, created_at);
CREATE INDEX attachments_unsaid ON attachments (created_at) WHERE message_id IS NULL;

-- Doors for programs: whoever has the token posts into the room.
CREATE TABLE hooks (
    id              BIGINT PRIMARY KEY,
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    account_id      BIGINT NOT NULL REFERENCES accounts (id), -- the bot that speaks
    token_hash      TEXT   NOT NULL UNIQUE,      -- SHA-256, hex
    created_at      BIGINT NOT NULL
);
CREATE INDEX hooks_by_conversation ON hooks (conversation_id);
