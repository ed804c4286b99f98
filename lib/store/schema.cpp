#include "store/schema.hpp"

#include <fmt/format.h>

#include "store/stored_numbers.hpp"

namespace prooftrack::store {
namespace {

// `>> 12` is the segment of a key (segments.hpp). Times are milliseconds since 1970. An id that is a lower-case UUID is
// its 16 bytes, any other its text (row_codec.hpp).
constexpr std::string_view tables = R"sql(
CREATE TABLE counters (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  next_transaction INTEGER NOT NULL,
  next_history INTEGER NOT NULL,
  next_delivery INTEGER NOT NULL,
  next_event INTEGER NOT NULL,
  first_event INTEGER NOT NULL,
  probes INTEGER NOT NULL,
  log_id TEXT NOT NULL,
  base_url TEXT NOT NULL
) STRICT;

CREATE TABLE transaction_counts (
  state INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  number INTEGER NOT NULL CHECK (number >= 0),
  PRIMARY KEY (state, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE transactions (
  row INTEGER PRIMARY KEY,
  id ANY NOT NULL UNIQUE,
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 6),
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 6),
  watched INTEGER NOT NULL CHECK (watched IN (0, 1)),
  status TEXT,
  tracked_at INTEGER NOT NULL,
  overdue_at INTEGER NOT NULL,
  settled_at INTEGER,
  not_found_since INTEGER,
  recheck_until INTEGER,
  last_polled_at INTEGER,
  polls INTEGER NOT NULL,
  bad_requests INTEGER NOT NULL,
  verifications_done INTEGER NOT NULL,
  was_overdue INTEGER NOT NULL,
  ended_at INTEGER,
  last_event_at INTEGER,
  lease_owner TEXT,
  lease_until INTEGER,
  lease_epoch INTEGER NOT NULL DEFAULT 0,
  options_digest BLOB NOT NULL,
  callback_url TEXT,
  callback_lane TEXT,
  metadata BLOB NOT NULL,
  revision INTEGER NOT NULL DEFAULT 1,
  traceparent TEXT
) STRICT;
CREATE INDEX transactions_watched ON transactions (watched) WHERE watched = 1;
CREATE INDEX transactions_listed ON transactions (state, kind, row);
CREATE INDEX transactions_odd_status ON transactions (status, row) WHERE kind = 6;
CREATE INDEX transactions_settled ON transactions (row >> 12, settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX transactions_ended ON transactions (ended_at) WHERE ended_at IS NOT NULL AND watched = 0;

CREATE TABLE metadata_terms (
  key INTEGER PRIMARY KEY,
  terms BLOB NOT NULL
) STRICT;

CREATE TABLE segment_ranges (
  list INTEGER NOT NULL,
  segment INTEGER NOT NULL,
  least INTEGER NOT NULL,
  greatest INTEGER NOT NULL,
  PRIMARY KEY (list, segment)
) STRICT, WITHOUT ROWID;

CREATE TABLE proofs (
  transaction_row INTEGER PRIMARY KEY REFERENCES transactions (row),
  body BLOB NOT NULL
) STRICT;

CREATE TABLE history (
  transaction_row INTEGER NOT NULL REFERENCES transactions (row),
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  from_state INTEGER,
  to_state INTEGER NOT NULL,
  from_status TEXT,
  to_status TEXT,
  request_id TEXT,
  reply_sha256 BLOB,
  PRIMARY KEY (transaction_row, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  transaction_row INTEGER NOT NULL,
  state INTEGER NOT NULL,
  status TEXT,
  recorded_at INTEGER NOT NULL,
  body BLOB NOT NULL,
  traceparent TEXT
) STRICT;

CREATE TABLE lanes (
  row INTEGER PRIMARY KEY,
  lane TEXT NOT NULL UNIQUE,
  callback TEXT NOT NULL,
  pending INTEGER NOT NULL CHECK (pending >= 0),
  dead INTEGER NOT NULL CHECK (dead >= 0),
  total INTEGER NOT NULL CHECK (total >= 0),
  failing_since INTEGER
) STRICT;

CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY,
  event_seq INTEGER NOT NULL,
  transaction_row INTEGER NOT NULL REFERENCES transactions (row),
  lane INTEGER NOT NULL,
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
  attempts INTEGER NOT NULL,
  last_attempt_at INTEGER,
  last_status INTEGER NOT NULL,
  next_attempt_at INTEGER,
  last_error TEXT,
  url TEXT,
  note TEXT,
  replay INTEGER
) STRICT;
CREATE INDEX deliveries_of ON deliveries (transaction_row, id);
CREATE INDEX deliveries_due ON deliveries (lane, next_attempt_at, id) WHERE state = 0 AND next_attempt_at IS NOT NULL;
CREATE INDEX deliveries_waiting ON deliveries (lane, transaction_row, id) WHERE state = 0;
CREATE INDEX deliveries_pending ON deliveries (lane, id) WHERE state = 0;
CREATE INDEX deliveries_dead ON deliveries (lane, id) WHERE state = 2;
CREATE INDEX deliveries_dismissed ON deliveries (lane, id) WHERE state = 3;
CREATE INDEX deliveries_given_up ON deliveries (lane, transaction_row) WHERE state >= 2;
CREATE INDEX deliveries_replayed ON deliveries (replay, id) WHERE state = 0 AND replay IS NOT NULL;

CREATE TABLE consumers (
  name TEXT PRIMARY KEY,
  seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE session_keys (
  key BLOB PRIMARY KEY,
  body BLOB NOT NULL,
  claimed_at INTEGER NOT NULL,
  transaction_id TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX session_keys_age ON session_keys (claimed_at);

CREATE TABLE pauses (
  callback TEXT PRIMARY KEY,
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE maintenance (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  since INTEGER NOT NULL,
  note TEXT
) STRICT;

CREATE TABLE replays (
  id INTEGER PRIMARY KEY,
  callback TEXT NOT NULL,
  after_seq INTEGER NOT NULL,
  before_seq INTEGER NOT NULL,
  since INTEGER,
  until INTEGER,
  types TEXT NOT NULL,
  missing INTEGER NOT NULL CHECK (missing IN (0, 1)),
  events INTEGER NOT NULL,
  next_seq INTEGER NOT NULL,
  made INTEGER NOT NULL,
  delivered INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  ended_at INTEGER,
  cancelled INTEGER NOT NULL CHECK (cancelled IN (0, 1))
) STRICT;
)sql";

// For people with the sqlite3 program: ids, states and times as the API shows them.
constexpr std::string_view views = R"sql(
CREATE VIEW v_transactions AS
SELECT
  row,
  CASE typeof(id) WHEN 'blob' THEN lower(substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' ||
    substr(hex(id), 13, 4) || '-' || substr(hex(id), 17, 4) || '-' || substr(hex(id), 21)) ELSE id END
    AS merchant_transaction_id,
  CASE state WHEN 0 THEN 'tracking' WHEN 1 THEN 'settled' WHEN 2 THEN 'overdue' WHEN 3 THEN 'not_found'
    WHEN 4 THEN 'rejected' WHEN 5 THEN 'abandoned' WHEN 6 THEN 'untracked' END AS state,
  status,
  strftime('%Y-%m-%dT%H:%M:%fZ', tracked_at / 1000.0, 'unixepoch') AS tracked_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', overdue_at / 1000.0, 'unixepoch') AS overdue_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', settled_at / 1000.0, 'unixepoch') AS settled_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', last_polled_at / 1000.0, 'unixepoch') AS last_polled_at,
  polls,
  watched,
  callback_url,
  CAST(metadata AS TEXT) AS metadata,
  CAST(body AS TEXT) AS proof,
  revision
FROM transactions
LEFT JOIN proofs ON transaction_row = row;

CREATE VIEW v_history AS
SELECT
  merchant_transaction_id,
  number,
  strftime('%Y-%m-%dT%H:%M:%fZ', at / 1000.0, 'unixepoch') AS at,
  CASE from_state WHEN 0 THEN 'tracking' WHEN 1 THEN 'settled' WHEN 2 THEN 'overdue' WHEN 3 THEN 'not_found'
    WHEN 4 THEN 'rejected' WHEN 5 THEN 'abandoned' WHEN 6 THEN 'untracked' END AS from_state,
  CASE to_state WHEN 0 THEN 'tracking' WHEN 1 THEN 'settled' WHEN 2 THEN 'overdue' WHEN 3 THEN 'not_found'
    WHEN 4 THEN 'rejected' WHEN 5 THEN 'abandoned' WHEN 6 THEN 'untracked' END AS to_state,
  from_status,
  to_status,
  request_id,
  lower(hex(reply_sha256)) AS reply_sha256
FROM history
JOIN v_transactions ON row = transaction_row;

CREATE VIEW v_events AS
SELECT
  seq,
  events.id,
  type,
  merchant_transaction_id,
  strftime('%Y-%m-%dT%H:%M:%fZ', recorded_at / 1000.0, 'unixepoch') AS recorded_at,
  CAST(body AS TEXT) AS body
FROM events
LEFT JOIN v_transactions ON row = transaction_row;
)sql";

constexpr std::string_view delivery_view = R"sql(
CREATE VIEW v_deliveries AS
SELECT
  deliveries.id,
  events.id AS event_id,
  events.type AS event_type,
  merchant_transaction_id,
  lanes.callback,
  lanes.lane,
  CASE deliveries.state WHEN 0 THEN 'pending' WHEN 1 THEN 'delivered' WHEN 2 THEN 'dead'
    WHEN 3 THEN 'dismissed' END AS state,
  attempts,
  strftime('%Y-%m-%dT%H:%M:%fZ', last_attempt_at / 1000.0, 'unixepoch') AS last_attempt_at,
  last_error,
  last_status,
  strftime('%Y-%m-%dT%H:%M:%fZ', next_attempt_at / 1000.0, 'unixepoch') AS next_attempt_at,
  note
FROM deliveries
JOIN v_transactions ON v_transactions.row = deliveries.transaction_row
JOIN lanes ON lanes.row = deliveries.lane
LEFT JOIN events ON events.seq = event_seq;
)sql";

} // namespace

std::string schema_sql() { return std::string(tables) + views_sql(); }

std::string views_sql() { return std::string(views) + std::string(delivery_view); }

const char* delivery_view_sql() { return delivery_view.data(); }

void create_schema(db_connection& db, const std::string& log_id) {
    db.execute(R"sql(BEGIN IMMEDIATE)sql");
    db.execute(schema_sql());
    statement insert(db.handle(), R"sql(INSERT INTO counters VALUES (1, 1, 1, 1, 1, 1, 0, ?, ''))sql");
    insert.execute(log_id);
    db.execute(fmt::format(R"sql(PRAGMA application_id = {})sql", application_id));
    db.execute(fmt::format(R"sql(PRAGMA user_version = {})sql", schema_version));
    db.execute(R"sql(COMMIT)sql");
}

std::vector<std::string> schema_names(db_connection& db) {
    std::vector<std::string> names;
    static constexpr sql_literal in_order = R"sql(
        SELECT type || ' ' || name
        FROM sqlite_schema
        WHERE name NOT LIKE 'sqlite_%'
        ORDER BY 1
    )sql";
    statement list(db.handle(), in_order.text());
    query rows = list.select();
    while (rows.next()) names.push_back(rows.string(0));
    return names;
}

const std::vector<std::string>& expected_schema_names() {
    static const std::vector<std::string> names = [] {
        db_connection memory(":memory:", "");
        memory.execute(schema_sql());
        return schema_names(memory);
    }();
    return names;
}

} // namespace prooftrack::store
