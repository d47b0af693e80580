-- Pages: a member's own site, its pictures, who came by, and what they wrote.
CREATE TABLE pages (
    account_id   BIGINT PRIMARY KEY REFERENCES accounts (id),
    draft        TEXT   NOT NULL,                -- JSON with a version: domain/pages
    published    TEXT,                           -- the same, as others see it
    published_at BIGINT,
    changed_at   BIGINT NOT NULL,                -- when the draft was
    host         TEXT                            -- a host name under which it is the front page
);
CREATE UNIQUE INDEX pages_by_host ON pages (host) WHERE host IS NOT NULL;
CREATE INDEX pages_by_published_at ON pages (published_at) WHERE published_at IS NOT NULL;

CREATE TABLE pictures (
    id         BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    width      BIGINT NOT NULL,                  -- of the largest file
    height     BIGINT NOT NULL,
    audience   TEXT   NOT NULL DEFAULT 'nobody', -- who sees it on what is published: everyone, members, nobody
    created_at BIGINT NOT NULL
);
CREATE INDEX pictures_by_account ON pictures (account_id, id);

-- The same picture in several widths. The bytes are in the data folder under the same id.
CREATE TABLE picture_files (
    id         BIGINT PRIMARY KEY,
    picture_id BIGINT NOT NULL REFERENCES pictures (id),
    width      BIGINT NOT NULL,
    height     BIGINT NOT NULL,
    bytes      BIGINT NOT NULL
);
CREATE INDEX picture_files_by_picture ON picture_files (picture_id, width);

-- How often a page was opened and a link on it followed. Nothing about by whom.
CREATE TABLE visits (
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    day        BIGINT NOT NULL,                  -- since 1970-01-01, UTC
    link       TEXT   NOT NULL DEFAULT '',       -- where it leads; empty for the page itself
    count      BIGINT NOT NULL,
    PRIMARY KEY (account_id, day, link)
);
CREATE INDEX visits_by_day ON visits (day);

-- What was written by the form of a page, until the mail is on its way.
CREATE TABLE letters (
    id         BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES accounts (id), -- to whom
    name       TEXT   NOT NULL,
    email      TEXT   NOT NULL,
    body       TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX letters_by_created_at ON letters (created_at);
