-- Programs: tokens that members make for their own, and apps that speak for the people of another product.

CREATE TABLE apps (
    id         BIGINT PRIMARY KEY,
    owner_id   BIGINT NOT NULL REFERENCES accounts (id), -- the member who registered it
    account_id BIGINT NOT NULL REFERENCES accounts (id), -- the bot that it is itself
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX apps_by_account ON apps (account_id);
CREATE INDEX apps_by_owner ON apps (owner_id) WHERE deleted_at IS NULL;

CREATE TABLE tokens (
    id         BIGINT PRIMARY KEY,
    token_hash TEXT   NOT NULL UNIQUE,           -- SHA-256 of the token, hex
    hint       TEXT   NOT NULL,                  -- its last four characters, to tell it from others
    name       TEXT   NOT NULL,                  -- what it is for
    account_id BIGINT NOT NULL REFERENCES accounts (id), -- as whom it acts
    app_id     BIGINT REFERENCES apps (id),      -- whose key it is; NULL for a member's own
    scopes     TEXT   NOT NULL,                  -- read write act_as
    created_at BIGINT NOT NULL,
    seen_at    BIGINT,                           -- noted now and then while it is used
    expires_at BIGINT                            -- it opens nothing from then on
);
CREATE INDEX tokens_by_account ON tokens (account_id);
CREATE INDEX tokens_by_app ON tokens (app_id) WHERE app_id IS NOT NULL;

-- A managed account is a person of an app's product: the app calls it by a handle of its own, and nobody
-- logs in as it.
ALTER TABLE accounts ADD COLUMN app_id BIGINT REFERENCES apps (id);
ALTER TABLE accounts ADD COLUMN handle TEXT;
CREATE UNIQUE INDEX accounts_by_handle ON accounts (app_id, handle) WHERE app_id IS NOT NULL;

-- The app that looks after a conversation: it is of the app's people, and not of the site's.
ALTER TABLE conversations ADD COLUMN app_id BIGINT REFERENCES apps (id);
-- The app's own place in it: it sees everything, and nobody sees it.
ALTER TABLE participants ADD COLUMN hidden BOOLEAN NOT NULL DEFAULT FALSE;
