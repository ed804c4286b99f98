#include "store/postgres/pg_schema.hpp"

#include <fmt/format.h>

#include "store/stored_numbers.hpp"

namespace prooftrack::store {
namespace {

// Numbers are BIGINT throughout, as parameters are sent as eight bytes. What others write is BYTEA: PostgreSQL's TEXT
// takes neither a zero nor bytes that are no UTF-8, and a receiver's answer may have both; the views show it as text.
// Ids of transactions are text (ASCII), compared by their bytes. There are no foreign keys: each insert would lock and
// write its parent's row once more, and the operations are held to them by SQLite, which has them.
//
// A few rows are written by each commit: room in their pages keeps them where they are (HOT).
constexpr std::string_view tables = R"sql(
CREATE TABLE prooftrackd (
  one BIGINT PRIMARY KEY CHECK (one = 1),
  schema_version BIGINT NOT NULL,
  batch BIGINT NOT NULL,
  mark TEXT NOT NULL DEFAULT ''
) WITH (fillfactor = 20);
COMMENT ON TABLE prooftrackd IS 'Each commit of each node changes this row first: they take turns';

CREATE TABLE counters (
  one BIGINT PRIMARY KEY CHECK (one = 1),
  next_transaction BIGINT NOT NULL,
  next_history BIGINT NOT NULL,
  next_delivery BIGINT NOT NULL,
  next_event BIGINT NOT NULL,
  first_event BIGINT NOT NULL,
  probes BIGINT NOT NULL,
  log_id TEXT NOT NULL,
  base_url BYTEA NOT NULL,
  next_mail BIGINT NOT NULL DEFAULT 1
) WITH (fillfactor = 20);

CREATE TABLE transaction_counts (
  state BIGINT NOT NULL,
  kind BIGINT NOT NULL,
  number BIGINT NOT NULL CHECK (number >= 0),
  PRIMARY KEY (state, kind)
) WITH (fillfactor = 20);

CREATE TABLE transactions (
  row BIGINT PRIMARY KEY,
  id TEXT COLLATE "C" NOT NULL UNIQUE,
  state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 6),
  kind BIGINT NOT NULL CHECK (kind BETWEEN 0 AND 6),
  watched BIGINT NOT NULL CHECK (watched IN (0, 1)),
  status BYTEA,
  tracked_at BIGINT NOT NULL,
  overdue_at BIGINT NOT NULL,
  settled_at BIGINT,
  not_found_since BIGINT,
  recheck_until BIGINT,
  last_polled_at BIGINT,
  polls BIGINT NOT NULL,
  bad_requests BIGINT NOT NULL,
  verifications_done BIGINT NOT NULL,
  was_overdue BIGINT NOT NULL,
  ended_at BIGINT,
  last_event_at BIGINT,
  options_digest BYTEA NOT NULL,
  callback_url BYTEA,
  callback_lane BYTEA,
  metadata BYTEA NOT NULL,
  revision BIGINT NOT NULL DEFAULT 1,
  traceparent BYTEA
) WITH (fillfactor = 85);
CREATE INDEX transactions_watched ON transactions ((row & 255)) WHERE watched = 1;
CREATE INDEX transactions_listed ON transactions (state, kind, row);
CREATE INDEX transactions_odd_status ON transactions (status, row) WHERE kind = 6;
CREATE INDEX transactions_settled ON transactions ((row >> 12), settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX transactions_ended ON transactions (ended_at, row) WHERE ended_at IS NOT NULL AND watched = 0;

CREATE TABLE metadata_terms (
  key BIGINT PRIMARY KEY,
  terms BYTEA NOT NULL
);

CREATE TABLE segment_ranges (
  list BIGINT NOT NULL,
  segment BIGINT NOT NULL,
  least BIGINT NOT NULL,
  greatest BIGINT NOT NULL,
  PRIMARY KEY (list, segment)
);

CREATE TABLE proofs (
  transaction_row BIGINT PRIMARY KEY,
  body BYTEA NOT NULL
);

CREATE TABLE history (
  transaction_row BIGINT NOT NULL,
  number BIGINT NOT NULL,
  at BIGINT NOT NULL,
  from_state BIGINT,
  to_state BIGINT NOT NULL,
  from_status BYTEA,
  to_status BYTEA,
  request_id BYTEA,
  reply_sha256 BYTEA,
  PRIMARY KEY (transaction_row, number)
);

CREATE TABLE events (
  seq BIGINT PRIMARY KEY,
  id TEXT COLLATE "C" NOT NULL UNIQUE,
  type TEXT NOT NULL,
  transaction_row BIGINT NOT NULL,
  state BIGINT NOT NULL,
  status BYTEA,
  recorded_at BIGINT NOT NULL,
  body BYTEA NOT NULL,
  traceparent BYTEA
);

CREATE TABLE lanes (
  row BIGINT PRIMARY KEY,
  lane BYTEA NOT NULL UNIQUE,
  callback BYTEA NOT NULL,
  pending BIGINT NOT NULL CHECK (pending >= 0),
  dead BIGINT NOT NULL CHECK (dead >= 0),
  total BIGINT NOT NULL CHECK (total >= 0),
  failing_since BIGINT,
  changed BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 20);
CREATE INDEX lanes_changed ON lanes (changed);

CREATE TABLE deliveries (
  id BIGINT PRIMARY KEY,
  event_seq BIGINT NOT NULL,
  transaction_row BIGINT NOT NULL,
  lane BIGINT NOT NULL,
  state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 3),
  attempts BIGINT NOT NULL,
  last_attempt_at BIGINT,
  last_status BIGINT NOT NULL,
  next_attempt_at BIGINT,
  last_error BYTEA,
  url BYTEA,
  note BYTEA,
  replay BIGINT
) WITH (fillfactor = 85);
CREATE INDEX deliveries_of ON deliveries (transaction_row, id);
CREATE INDEX deliveries_due ON deliveries (lane, next_attempt_at, id) WHERE state = 0 AND next_attempt_at IS NOT NULL;
CREATE INDEX deliveries_waiting ON deliveries (lane, transaction_row, id) WHERE state = 0;
CREATE INDEX deliveries_pending ON deliveries (lane, id) WHERE state = 0;
CREATE INDEX deliveries_dead ON deliveries (lane, id) WHERE state = 2;
CREATE INDEX deliveries_dismissed ON deliveries (lane, id) WHERE state = 3;
CREATE INDEX deliveries_given_up ON deliveries (lane, transaction_row) WHERE state >= 2;
CREATE INDEX deliveries_replayed ON deliveries (replay, id) WHERE state = 0 AND replay IS NOT NULL;

CREATE TABLE consumers (
  name BYTEA PRIMARY KEY,
  seq BIGINT NOT NULL
);

CREATE TABLE session_keys (
  key BYTEA PRIMARY KEY,
  body BYTEA NOT NULL,
  claimed_at BIGINT NOT NULL,
  transaction_id BYTEA
);
CREATE INDEX session_keys_age ON session_keys (claimed_at);

CREATE TABLE pauses (
  callback BYTEA PRIMARY KEY,
  since BIGINT NOT NULL
);

CREATE TABLE maintenance (
  one BIGINT PRIMARY KEY CHECK (one = 1),
  since BIGINT NOT NULL,
  note BYTEA
);

CREATE TABLE replays (
  id BIGINT PRIMARY KEY,
  callback BYTEA NOT NULL,
  after_seq BIGINT NOT NULL,
  before_seq BIGINT NOT NULL,
  since BIGINT,
  until BIGINT,
  types BYTEA NOT NULL,
  missing BIGINT NOT NULL CHECK (missing IN (0, 1)),
  events BIGINT NOT NULL,
  next_seq BIGINT NOT NULL,
  made BIGINT NOT NULL,
  delivered BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  ended_at BIGINT,
  cancelled BIGINT NOT NULL CHECK (cancelled IN (0, 1))
);
)sql";

// What several daemons (nodes) need. A shard is `row & 255` of a transaction. `writers` is apart from `nodes`, because
// a node's heartbeats must not wait for its commits.
constexpr std::string_view cluster_tables = R"sql(
CREATE TABLE nodes (
  id TEXT COLLATE "C" PRIMARY KEY,
  boot TEXT NOT NULL,
  host TEXT NOT NULL,
  pid BIGINT NOT NULL,
  process_start BIGINT NOT NULL,
  version TEXT NOT NULL,
  state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 2),
  seen_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 20);
COMMENT ON TABLE nodes IS 'Daemons and their heartbeats: state 0 is living, 1 leaving, 2 gone';

CREATE TABLE writers (
  node TEXT COLLATE "C" PRIMARY KEY,
  boot TEXT NOT NULL,
  batch BIGINT NOT NULL,
  former_boot TEXT NOT NULL,
  former_batch BIGINT NOT NULL
) WITH (fillfactor = 20);
COMMENT ON TABLE writers IS 'The last commit of each daemon; boot is empty when it may write no more';

CREATE TABLE marks (
  batch BIGINT PRIMARY KEY,
  mark TEXT NOT NULL,
  at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE marks IS 'The first commit of each session: by the last one before it a commit is known again';

CREATE TABLE shards (
  no BIGINT PRIMARY KEY CHECK (no BETWEEN 0 AND 255),
  owner TEXT COLLATE "C",
  epoch BIGINT NOT NULL
) WITH (fillfactor = 50);
INSERT INTO shards SELECT no, NULL, 0 FROM generate_series(0, 255) no;

CREATE TABLE moves (
  no BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at TIMESTAMPTZ NOT NULL,
  node TEXT NOT NULL,
  former TEXT NOT NULL,
  shards BIGINT NOT NULL,
  how BIGINT NOT NULL CHECK (how BETWEEN 0 AND 2)
);
COMMENT ON TABLE moves IS 'Who took how many shards from whom: how 0 is unowned, 1 handed over, 2 taken over';

CREATE TABLE mail (
  no BIGINT PRIMARY KEY,
  at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  kind BIGINT NOT NULL CHECK (kind BETWEEN 0 AND 6),
  subject BIGINT NOT NULL
);
CREATE INDEX mail_age ON mail (at);
COMMENT ON TABLE mail IS 'What the nodes need to hear of each other''s commits; kept for a few minutes';
)sql";

// From the version before.
constexpr std::string_view steps_from_1 = R"sql(
ALTER TABLE prooftrackd DROP COLUMN boot;
ALTER TABLE prooftrackd ADD COLUMN mark TEXT NOT NULL DEFAULT '';
COMMENT ON TABLE prooftrackd IS 'Each commit of each node changes this row first: they take turns';
ALTER TABLE counters ADD COLUMN next_mail BIGINT NOT NULL DEFAULT 1;
ALTER TABLE lanes ADD COLUMN changed BIGINT NOT NULL DEFAULT 0;
CREATE INDEX lanes_changed ON lanes (changed);
DROP INDEX transactions_watched;
CREATE INDEX transactions_watched ON transactions ((row & 255)) WHERE watched = 1;
UPDATE prooftrackd SET schema_version = 2 WHERE one = 1;
)sql";

// For people with psql: states, times and bytes as the API shows them.
constexpr std::string_view views = R"sql(
CREATE VIEW v_transactions AS
SELECT
  row,
  id AS merchant_transaction_id,
  CASE state WHEN 0 THEN 'tracking' WHEN 1 THEN 'settled' WHEN 2 THEN 'overdue' WHEN 3 THEN 'not_found'
    WHEN 4 THEN 'rejected' WHEN 5 THEN 'abandoned' WHEN 6 THEN 'untracked' END AS state,
  encode(status, 'escape') AS status,
  to_timestamp(tracked_at / 1000.0) AS tracked_at,
  to_timestamp(overdue_at / 1000.0) AS overdue_at,
  to_timestamp(settled_at / 1000.0) AS settled_at,
  to_timestamp(last_polled_at / 1000.0) AS last_polled_at,
  polls,
  watched,
  encode(callback_url, 'escape') AS callback_url,
  encode(metadata, 'escape') AS metadata,
  encode(body, 'escape') AS proof,
  revision
FROM transactions
LEFT JOIN proofs ON transaction_row = row;

CREATE VIEW v_history AS
SELECT
  merchant_transaction_id,
  number,
  to_timestamp(at / 1000.0) AS at,
  CASE from_state WHEN 0 THEN 'tracking' WHEN 1 THEN 'settled' WHEN 2 THEN 'overdue' WHEN 3 THEN 'not_found'
    WHEN 4 THEN 'rejected' WHEN 5 THEN 'abandoned' WHEN 6 THEN 'untracked' END AS from_state,
  CASE to_state WHEN 0 THEN 'tracking' WHEN 1 THEN 'settled' WHEN 2 THEN 'overdue' WHEN 3 THEN 'not_found'
    WHEN 4 THEN 'rejected' WHEN 5 THEN 'abandoned' WHEN 6 THEN 'untracked' END AS to_state,
  encode(from_status, 'escape') AS from_status,
  encode(to_status, 'escape') AS to_status,
  encode(request_id, 'escape') AS request_id,
  encode(reply_sha256, 'hex') AS reply_sha256
FROM history
JOIN v_transactions t ON t.row = transaction_row;

CREATE VIEW v_events AS
SELECT
  seq,
  events.id,
  type,
  merchant_transaction_id,
  to_timestamp(recorded_at / 1000.0) AS recorded_at,
  encode(body, 'escape') AS body
FROM events
LEFT JOIN v_transactions t ON t.row = transaction_row;

CREATE VIEW v_deliveries AS
SELECT
  deliveries.id,
  events.id AS event_id,
  events.type AS event_type,
  merchant_transaction_id,
  encode(lanes.callback, 'escape') AS callback,
  encode(lanes.lane, 'escape') AS lane,
  CASE deliveries.state WHEN 0 THEN 'pending' WHEN 1 THEN 'delivered' WHEN 2 THEN 'dead'
    WHEN 3 THEN 'dismissed' END AS state,
  attempts,
  to_timestamp(last_attempt_at / 1000.0) AS last_attempt_at,
  encode(last_error, 'escape') AS last_error,
  last_status,
  to_timestamp(next_attempt_at / 1000.0) AS next_attempt_at,
  encode(note, 'escape') AS note
FROM deliveries
JOIN v_transactions t ON t.row = deliveries.transaction_row
JOIN lanes ON lanes.row = deliveries.lane
LEFT JOIN events ON events.seq = event_seq;
)sql";

/// In the session's schema: those of which `condition` is true.
std::int64_t count_relations(db_connection& db, std::string_view condition) {
    return db.ask_integer(fmt::format(
        R"sql(
            SELECT count(*)
            FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = current_schema()
              AND {}
        )sql",
        condition));
}

} // namespace

std::string pg_schema_sql() { return std::string(tables) + std::string(cluster_tables) + std::string(views); }

std::string pg_upgrade_from_1_sql() { return std::string(steps_from_1) + std::string(cluster_tables); }

bool has_our_tables(db_connection& db) {
    return count_relations(db, R"sql(c.relname = 'prooftrackd' AND c.relkind = 'r')sql") == 1;
}

bool is_schema_empty(db_connection& db) {
    return count_relations(db, R"sql(c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S'))sql") == 0;
}

} // namespace prooftrack::store
