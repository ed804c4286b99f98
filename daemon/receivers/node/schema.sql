-- What a receiver of prooftrackd's webhooks keeps, beside your own tables and in the same database (PostgreSQL,
-- SQLite). MySQL and MariaDB compare without regard to case unless told otherwise, and ids may differ in nothing else:
-- end both statements with CHARACTER SET ascii COLLATE ascii_bin there.
CREATE TABLE IF NOT EXISTS proof_events (
    event_id VARCHAR(64) PRIMARY KEY,
    handled_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE IF NOT EXISTS proof_payments (
    merchant_transaction_id VARCHAR(128) PRIMARY KEY,
    credited INTEGER NOT NULL,
    sequence BIGINT NOT NULL
);
