-- Webhooks: an app is told what happens where it is.
CREATE TABLE webhooks (
    id            BIGINT PRIMARY KEY,
    app_id        BIGINT NOT NULL REFERENCES apps (id),
    url           TEXT   NOT NULL,
    secret        TEXT   NOT NULL,               -- what calls are signed with; it opens nothing here
    events        TEXT   NOT NULL,               -- message.created thread.changed …
    created_at    BIGINT NOT NULL,
    failing_since BIGINT,                        -- nothing has reached it since
    retry_at      BIGINT NOT NULL DEFAULT 0,     -- it is left alone until then
    disabled_at   BIGINT                         -- it failed for a week
);
CREATE INDEX webhooks_by_app ON webhooks (app_id);

-- What is told. The words are looked up when it is: what was deleted meanwhile is not told any more.
CREATE TABLE deliveries (
    id              BIGINT PRIMARY KEY,
    webhook_id      BIGINT NOT NULL,             -- gone, where it was closed: what is left of it is swept
    event           TEXT   NOT NULL,
    conversation_id BIGINT NOT NULL,
    subject_id      BIGINT NOT NULL,             -- the message, or the account that has come further
    state           TEXT   NOT NULL,             -- waiting, calling, done or failed
    wanted_at       BIGINT NOT NULL,             -- it is tried for a day from then on
    created_at      BIGINT NOT NULL
);
CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, id);
CREATE INDEX deliveries_waiting ON deliveries (subject_id, webhook_id) WHERE state = 'waiting';
CREATE INDEX deliveries_by_created_at ON deliveries (created_at);

CREATE TABLE attempts (
    delivery_id BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    status      BIGINT,                          -- what it was answered with, if it was
    problem     TEXT,                            -- what went wrong, if something did
    took_ms     BIGINT NOT NULL
);
CREATE INDEX attempts_by_delivery ON attempts (delivery_id);
