-- Matches: strangers who are brought together.

-- A mask is an account of its own that stands for somebody in one talk: whatever is said there is said
-- by the mask, so that nothing can tell who is behind it. It goes with the talk.
ALTER TABLE accounts ADD COLUMN mask_of BIGINT REFERENCES accounts (id);
CREATE INDEX accounts_by_mask_of ON accounts (mask_of) WHERE mask_of IS NOT NULL;
-- When someone said that they are of age.
ALTER TABLE accounts ADD COLUMN adult_at BIGINT;

-- What may be sent along: in a match nothing, until everyone in it has agreed to pictures.
ALTER TABLE conversations ADD COLUMN files BOOLEAN NOT NULL DEFAULT TRUE;

-- Everyone who has a part in the matching: who waits, who is in a talk, and who was until a moment ago.
CREATE TABLE seekers (
    account_id      BIGINT  PRIMARY KEY REFERENCES accounts (id),
    state           TEXT    NOT NULL CHECK (state IN ('waiting', 'matched', 'ended')),
    pool            TEXT    NOT NULL CHECK (pool IN ('pair', 'group')),
    language        TEXT    NOT NULL,                -- a language's code; empty for any
    interests       TEXT    NOT NULL,                -- tags as they are compared, in order, a line each
    place           TEXT    NOT NULL,                -- where it comes from, as a keyed hash of the address
    guest           BOOLEAN NOT NULL,                -- it can be somebody new tomorrow
    shows_name      BOOLEAN NOT NULL,                -- its username is shown from the beginning
    since           BIGINT  NOT NULL,                -- it waits since then, or will, after a pause
    stage           BIGINT  NOT NULL DEFAULT 0,      -- how far its search has widened
    look_at         BIGINT,                          -- when it is looked for again; NULL: when others come
    held            BOOLEAN NOT NULL DEFAULT FALSE,  -- someone would do if nobody else waited
    alive_until     BIGINT  NOT NULL,                -- it is given up then, unless it is heard of before
    away            BOOLEAN NOT NULL DEFAULT FALSE,  -- its last window has closed
    skips           BIGINT  NOT NULL DEFAULT 0,      -- talks in a row that it left at once
    conversation_id BIGINT  REFERENCES conversations (id),
    mask_id         BIGINT  REFERENCES accounts (id),
    reveals         BOOLEAN NOT NULL DEFAULT FALSE,  -- it offers to say who it is
    pictures        BOOLEAN NOT NULL DEFAULT FALSE,  -- it agrees to pictures
    went            BOOLEAN NOT NULL DEFAULT FALSE,  -- it ended its last talk itself
    changed_at      BIGINT  NOT NULL                 -- when its state last changed
);
CREATE INDEX seekers_by_line ON seekers (pool, since, account_id) WHERE state = 'waiting';
CREATE INDEX seekers_by_place ON seekers (pool, place) WHERE state = 'waiting';
CREATE INDEX seekers_by_look_at ON seekers (look_at, account_id) WHERE state = 'waiting';
CREATE INDEX seekers_held ON seekers (pool, since) WHERE held;
CREATE INDEX seekers_by_alive_until ON seekers (alive_until) WHERE state <> 'ended';
CREATE INDEX seekers_by_conversation ON seekers (conversation_id);

-- Whom a waiting seeker would take. Two who have a wish in common take each other: first a wish is all of
-- one's interests, then any of them, and at last anyone. So widening a search is adding wishes, and finding
-- somebody is looking up a wish.
CREATE TABLE wishes (
    account_id BIGINT NOT NULL REFERENCES seekers (account_id) ON DELETE CASCADE,
    pool       TEXT   NOT NULL,
    wish       TEXT   NOT NULL,                      -- interests, a line each; '*' is anyone
    weight     BIGINT NOT NULL,                      -- how many interests it holds
    since      BIGINT NOT NULL,                      -- as its seeker's
    PRIMARY KEY (account_id, wish)
);
CREATE INDEX wishes_by_wish ON wishes (pool, wish, since, account_id);

-- The last few whom someone was matched with.
CREATE TABLE meetings (
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    partner_id BIGINT NOT NULL REFERENCES accounts (id),
    met_at     BIGINT NOT NULL,
    PRIMARY KEY (account_id, partner_id)
);

-- Who wants nothing to do with whom. Somebody is an account ('a17'), and a guest is also wherever it comes
-- from ('p' and the place). Each block stands here in both directions.
CREATE TABLE blocks (
    one        TEXT   NOT NULL,
    other      TEXT   NOT NULL,
    blocker_id BIGINT NOT NULL REFERENCES accounts (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (one, other, blocker_id)
);

-- What someone reported, with a copy of what was said, for those who look after the place. The seal is a
-- keyed hash of the rest: nobody changes a copy without its being seen.
CREATE TABLE reports (
    id              BIGINT PRIMARY KEY,
    reporter_id     BIGINT NOT NULL REFERENCES accounts (id),
    reported_id     BIGINT NOT NULL REFERENCES accounts (id),
    conversation_id BIGINT NOT NULL,                 -- gone by the time that it is read
    reason          TEXT   NOT NULL,
    words           TEXT   NOT NULL,                 -- what the reporter says about it
    transcript      TEXT   NOT NULL,                 -- JSON
    seal            TEXT   NOT NULL,
    created_at      BIGINT NOT NULL
);
CREATE INDEX reports_by_reported ON reports (reported_id);
