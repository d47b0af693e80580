-- Blocks with typed columns. Each side is an account, or the hashed address of a guest, who can be another account
-- tomorrow. Each block stands here in both directions.
CREATE TABLE typed_blocks (
    account_id       BIGINT REFERENCES accounts (id),
    ip_hash          TEXT,
    other_account_id BIGINT REFERENCES accounts (id),
    other_ip_hash    TEXT,
    blocker_id       BIGINT NOT NULL REFERENCES accounts (id),
    created_at       BIGINT NOT NULL
);
INSERT INTO typed_blocks (account_id, ip_hash, other_account_id, other_ip_hash, blocker_id, created_at)
    SELECT CASE WHEN one LIKE 'a%' THEN CAST(SUBSTR(one, 2) AS BIGINT) END,
           CASE WHEN one LIKE 'p%' THEN SUBSTR(one, 2) END,
           CASE WHEN other LIKE 'a%' THEN CAST(SUBSTR(other, 2) AS BIGINT) END,
           CASE WHEN other LIKE 'p%' THEN SUBSTR(other, 2) END,
           blocker_id, created_at
    FROM blocks;
DROP TABLE blocks;
ALTER TABLE typed_blocks RENAME TO blocks;
CREATE UNIQUE INDEX blocks_once ON blocks (COALESCE(account_id, 0), COALESCE(ip_hash, ''),
    COALESCE(other_account_id, 0), COALESCE(other_ip_hash, ''), blocker_id);
CREATE INDEX blocks_by_account ON blocks (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX blocks_by_ip_hash ON blocks (ip_hash) WHERE ip_hash IS NOT NULL;
