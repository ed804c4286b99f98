#!/usr/bin/env python3
"""Years of data: 2 million settled transactions (half of them older than the retention) beside 100,000 active ones.

    PROOFTRACK_BIN=.build/release python3 -B tests/bench/years_of_data.py [SETTLED [ACTIVE]]

Fills a database that the daemon made, starts the daemon on it, and measures from outside and from its own metrics:
start to first poll, sizes, and the longest stall of the loop and of a commit while nothing special happens, during a
backup and during pruning (checkpoints come in all three). Some 4 GB beside /tmp and 4 minutes. """

import os
import re
import signal
import sqlite3
import sys
import threading
import time
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from harness import SystemCase, parse_time, wait_until  # noqa: E402

DAY = 86_400_000
SETTLED = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
ACTIVE = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000

FILL = """
CREATE TEMP TABLE n AS WITH RECURSIVE c(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM c WHERE x < :settled) SELECT x, randomblob(16) AS id,
  :now - 180 * :day + x * (179 * :day / :settled) AS at FROM c;
INSERT INTO transactions SELECT x, id, 1, 3, 0, 'completed', at - 60000, at + :day, at, NULL, NULL, at, 9, 0, 2, 0, at, at, NULL, NULL, 0,
  zeroblob(32), NULL, NULL, CAST('{"order":"A-' || x || '","user":17}' AS BLOB), 1, NULL FROM n;
INSERT INTO proofs SELECT x, CAST(printf('{"merchant_transaction_id":"%s","type":"buy","status":"completed","currency":"USDT","crypto_amount":"100.000000",'
  || '"fiat_currency":"EUR","fiat_amount":"100.00","created_at":"2026-04-01T10:00:00.000Z","updated_at":"2026-04-01T10:00:00.000Z"}', hex(id)) AS BLOB) FROM n;
INSERT INTO history SELECT x, 1, at - 60000, NULL, 0, NULL, NULL, NULL, NULL FROM n
  UNION ALL SELECT x, 2, at - 50000, 0, 0, NULL, 'pending', 'req_0123456789abcdef', zeroblob(32) FROM n
  UNION ALL SELECT x, 3, at, 0, 1, 'pending', 'completed', 'req_0123456789abcdef', zeroblob(32) FROM n ORDER BY 1, 2;
INSERT INTO events SELECT n.x, printf('evt_%012x%s', at, lower(hex(randomblob(10)))), 'transaction.completed', n.x, 1, 'completed', at,
  CAST('{"id":"evt_0123456789abcdef0123456789abcdef","type":"transaction.completed","timestamp":"2026-04-01T10:00:00.000Z","data":{"metadata":{},"proof":'
  || p.body || '}}' AS BLOB), NULL FROM n JOIN proofs p ON p.transaction_row = n.x;
INSERT INTO deliveries SELECT x, x, x, 1, 1, 1, at, 204, NULL, NULL, NULL, NULL, NULL FROM n;
INSERT INTO transactions WITH RECURSIVE c(x) AS (VALUES (:settled + 1) UNION ALL SELECT x + 1 FROM c WHERE x < :settled + :active)
  SELECT x, randomblob(16), 0, 1, 1, 'pending', :now - 1000, :now + :day, NULL, NULL, NULL, :now - 3600000, 1, 0, 0, 0, NULL, NULL, NULL, NULL, 0,
  zeroblob(32), NULL, NULL, x'7b7d', 1, NULL FROM c;
INSERT INTO lanes VALUES (1, 'backend', 'backend', 0, 0, :settled, NULL);
INSERT INTO transaction_counts VALUES (0, 1, :active), (1, 3, :settled);
UPDATE counters SET next_transaction = :settled + :active + 1, next_history = 4, next_delivery = :settled + 1, next_event = :settled + 1;
"""


def fill(path):
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = OFF", "synchronous = OFF", "cache_size = -2000000",
                   "temp_store = MEMORY"):
        database.execute(f"PRAGMA {pragma}").fetchall()
    numbers = {"settled": SETTLED, "active": ACTIVE, "now": int(time.time() * 1000), "day": DAY}
    indexes = database.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    database.execute("BEGIN")
    for name, _ in indexes:
        database.execute(f"DROP INDEX {name}")
    for statement in FILL.split(";\n"):
        names = set(re.findall(r":([a-z]+)\b", re.sub(r"'[^']*'", "", statement)))
        if statement.strip():
            database.execute(statement, {name: numbers[name] for name in names})
    for _, sql in indexes:
        database.execute(sql)
    database.execute("COMMIT")
    database.close()
    with open(path, "rb+") as file:
        os.fsync(file.fileno())  # else the daemon's first sync pays for it


class Client(threading.Thread):
    """One call after the other on one connection; how long each took."""

    def __init__(self, call, pause):
        super().__init__(daemon=True)
        self.call, self.pause, self.took, self.stopped = call, pause, [], False

    def run(self):
        number = 0
        while not self.stopped:
            began = time.monotonic()
            self.call(number)
            self.took.append((began, time.monotonic() - began))
            number += 1
            time.sleep(self.pause)

    def between(self, since, until):
        return sorted(took for began, took in self.took if since <= began < until)


class YearsOfData(SystemCase):
    interval = ["60s", "120s"]  # the sandbox shares the cores: the polls are not what is measured

    def buckets(self, name):
        text = self.daemon.api("GET", "/metrics").body.decode()
        return [(float(edge), float(count))
                for edge, count in re.findall(rf'^{name}_bucket{{le="([^"]+)"}} (\S+)$', text, re.M)]

    def phase(self, what, run):
        names = ("prooftrackd_loop_lag_seconds", "prooftrackd_commit_seconds")
        before = {name: self.buckets(name) for name in names}
        began = time.monotonic()
        note = run()
        until = time.monotonic()
        line = f"{what}: {until - began:.0f} s"
        for name in names:
            passed, top = 0, 0.0
            for (edge, count), (_, old) in zip(self.buckets(name), before[name]):
                if count - old > passed:
                    passed, top = count - old, edge
            line += f", {name} {passed:.0f} all <= {top * 1000:.0f} ms"
        for label, client in (("add", self.adding), ("health", self.asking)):
            took = client.between(began, until)
            if took:
                line += (f"; {label} {len(took)} calls, p50 {took[len(took) // 2] * 1000:.1f}, "
                         f"p99 {took[len(took) * 99 // 100] * 1000:.1f}, "
                         f"longest {took[-1] * 1000:.1f} ms")
        print(line + (f"; {note}" if note else ""), flush=True)

    def runTest(self):
        self.start_sandbox("--accept-any")
        receiver = self.start_receiver()
        daemon = self.start_daemon([self.callback(receiver)], store={"retention": "90d"}, log={"level": "info"})
        daemon.stop()
        path = self.folder / "state" / "prooftrackd.db"
        began = time.time()
        fill(path)
        print(f"{SETTLED} settled and {ACTIVE} active made in {time.time() - began:.0f} s: "
              f"{path.stat().st_size / 1e6:.0f} MB", flush=True)
        self.sandbox.clear_log()
        began = time.time()
        daemon.start()
        answering = time.time()
        polls = wait_until(self.sandbox.log, 60, "the first poll")
        print(f"start to answering {answering - began:.2f} s, "
              f"to the first poll {parse_time(polls[0]['at']) - began:.2f} s, "
              f"{daemon.process.memory_kib() // 1024} MiB", flush=True)
        connections = [daemon.connection(), daemon.connection()]

        def call(connection, method, target, body=None):
            connection.request(method, target, body, {"Content-Type": "application/json"} if body else {})
            reply = connection.getresponse()
            reply.read()
            assert reply.status in (200, 201), reply.status
        self.adding = Client(lambda n: call(connections[0], "POST", "/v1/transactions",
                                            '{"merchant_transaction_id": "new-%d"}' % n), 0.002)
        self.asking = Client(lambda n: call(connections[1], "GET", "/healthz"), 0.002)
        self.adding.start()
        self.asking.start()
        self.phase("nothing special", lambda: time.sleep(15))

        def backup():
            reply = daemon.connection(timeout=120)
            reply.request("GET", "/v1/backup")
            answer, size = reply.getresponse(), 0
            assert answer.status == 200, answer.status
            while part := answer.read(1 << 20):
                size += len(part)
            reply.close()
            return f"{size / 1e6:.0f} MB"
        self.phase("backup", backup)
        wait_until(lambda: daemon.logged("store.pruned"), 120, "the first pruning")

        def prune():
            first = daemon.status()["events"]["first_seq"]
            time.sleep(60)
            return (f"{daemon.status()['events']['first_seq'] - first} events pruned, "
                    f"WAL {daemon.status()['store']['wal_bytes'] / 1e6:.1f} MB")
        self.phase("pruning", prune)
        self.adding.stopped = self.asking.stopped = True
        self.adding.join(30)
        self.asking.join(30)
        print(f"{daemon.process.memory_kib() // 1024} MiB; database {path.stat().st_size / 1e6:.0f} MB")
        daemon.process.signal(signal.SIGTERM)
        began = time.time()
        daemon.process.wait(60)
        print(f"stopped in {time.time() - began:.2f} s")


if __name__ == "__main__":
    result = YearsOfData().defaultTestResult()
    YearsOfData().run(result)
    for _, trouble in result.failures + result.errors:
        print(trouble)
    sys.exit(0 if result.wasSuccessful() else 1)
