-- The queue of a job: calls to other people's servers may take long, and nothing else waits for them.
ALTER TABLE jobs ADD COLUMN queue TEXT NOT NULL DEFAULT 'internal';
UPDATE jobs SET queue = 'outbound' WHERE work LIKE '{"do":"call_webhook"%';
DROP INDEX jobs_by_run_at;
CREATE INDEX jobs_by_queue ON jobs (queue, run_at, id);
