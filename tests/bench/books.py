#!/usr/bin/env python3
"""What a merchant's bookkeeping asks of a million transactions with metadata: search and export.

    PROOFTRACK_BIN=.build/release python3 -B tests/bench/books.py [TRANSACTIONS]

Imports the transactions over the API, so that the search index is the daemon's own work; settles most of them in the
file of the stopped daemon (proof, history, an event and its delivery each); searches and exports over the socket, while
ids are added. The daemon may use both cores. Some 5 GB beside /tmp and 5 minutes; writes results/books.json and .md.
"""

import csv
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from types import SimpleNamespace

import report
from world import (Window, World, histogram_quantile, maintenance, memory_kib, metrics, percentile, post_bodies,
                   process_cpu, show)  # before harness: it knows where that is
from harness import program, wait_until

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
SPREAD = 20  # transactions that share a batch
CALLS = 250
LINES = min(COUNT, 100_000)

# Rows count from 1. One in 200 stays open, and all of these are of the shop `north`.
SETTLE = """
CREATE TEMP TABLE n AS SELECT row, tracked_at + 1000 AS at, row % 200 = 2 AS is_open, iif(row % 20 = 3, 'failed', 'completed') AS word,
  lower(substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-' || substr(hex(id), 17, 4) || '-'
    || substr(hex(id), 21)) AS name FROM transactions;
UPDATE n SET word = 'processing' WHERE is_open;
UPDATE transactions SET state = not n.is_open, kind = iif(n.is_open, 2, iif(word = 'failed', 4, 3)), watched = n.is_open, status = word,
  settled_at = iif(n.is_open, NULL, at), ended_at = iif(n.is_open, NULL, at), last_polled_at = at, last_event_at = at, polls = 9,
  verifications_done = iif(n.is_open, 0, 2) FROM n WHERE n.row = transactions.row;
INSERT INTO proofs SELECT row, CAST(printf('{"merchant_transaction_id":"%s","partner_user_id":"user_17","type":"buy","status":"%s",'
  || '"currency":"USDT","network":"TRC20","crypto_amount":"100.000000","fiat_currency":"EUR","fiat_amount":"%d.%02d",'
  || '"created_at":"2026-04-01T10:00:00.000Z","updated_at":"2026-04-01T10:00:00.000Z"}', name, word, row % 900, row % 100) AS BLOB) FROM n;
INSERT INTO history SELECT row, (SELECT count(*) FROM n) + row, at - 500, 0, 0, NULL, 'pending', 'req_0123456789abcdef', zeroblob(32) FROM n
  UNION ALL SELECT row, 2 * (SELECT count(*) FROM n) + row, at, 0, not is_open, 'pending', word, 'req_0123456789abcdef', zeroblob(32) FROM n ORDER BY 1, 2;
INSERT INTO events SELECT n.row, printf('evt_%012x%s', at, lower(hex(randomblob(10)))), 'transaction.' || word, n.row, not is_open, word,
  at, CAST('{"id":"evt_0123456789abcdef0123456789abcdef","type":"transaction.' || word || '","timestamp":"2026-04-01T10:00:00.000Z",'
  || '"data":{"merchant_transaction_id":"' || name || '","metadata":' || t.metadata || ',"proof":' || p.body || '}}' AS BLOB), NULL
  FROM n JOIN proofs p ON p.transaction_row = n.row JOIN transactions t ON t.row = n.row;
INSERT INTO deliveries SELECT row, row, row, 1, 1, 1, at, 204, NULL, NULL, NULL, NULL, NULL FROM n;
INSERT OR REPLACE INTO lanes SELECT 1, 'backend', 'backend', 0, 0, count(*), NULL FROM n;
INSERT OR REPLACE INTO segment_ranges SELECT 1, row >> 12, min(at), max(at) FROM n GROUP BY 2
  UNION ALL SELECT 2, row >> 12, min(row), max(row) FROM n GROUP BY 2;
DELETE FROM transaction_counts;
INSERT INTO transaction_counts SELECT state, kind, count(*) FROM transactions GROUP BY 1, 2;
UPDATE counters SET next_history = 3 * (SELECT count(*) FROM n) + 1, next_event = (SELECT count(*) FROM n) + 1,
  next_delivery = (SELECT count(*) FROM n) + 1;
"""


def metadata_of(number):
    return {"order": f"A-{number:07d}", "shop": "north" if number % 2 else "south",
            "batch": f"b-{number % (COUNT // SPREAD):06d}", "paid": number % 2 == 0}


def fill(world, identifiers):
    daemon = world.start(world.daemon("books", world.pending, [world.webhook()], poll={"max_rate": 10}), pin=False)
    maintenance(daemon, True)  # nothing is polled
    began = time.monotonic()
    for at in range(0, COUNT, LINES):
        lines = [json.dumps({"merchant_transaction_id": identifiers[number], "metadata": metadata_of(number)}) + "\n"
                 for number in range(at, min(COUNT, at + LINES))]
        post_bodies(daemon, [(len(lines), "".join(lines).encode())])
    print(f"imported in {time.monotonic() - began:.0f} s", flush=True)
    daemon.stop()
    began = time.monotonic()
    settle(daemon.folder / "state" / "prooftrackd.db")
    print(f"settled in {time.monotonic() - began:.0f} s", flush=True)
    world.start(daemon, pin=False)
    maintenance(daemon, False)
    return daemon


def settle(path):
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("locking_mode = EXCLUSIVE", "synchronous = OFF", "cache_size = -2000000", "temp_store = MEMORY"):
        database.execute(f"PRAGMA {pragma}").fetchall()
    assert database.execute("SELECT min(row), max(row) FROM transactions").fetchone() == (1, COUNT)
    database.execute("BEGIN")
    indexes = database.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    for name, _ in indexes:
        database.execute(f"DROP INDEX {name}")
    for statement in SETTLE.split(";\n"):
        database.execute(statement)
    for _, sql in indexes:
        database.execute(sql)
    database.execute("COMMIT")
    database.close()
    with open(path, "rb+") as file:
        os.fsync(file.fileno())  # else the daemon's first sync pays for it


def search(world, daemon):
    """Each query CALLS times with other values on one connection: (what, how many a page has, query of a number)."""
    half, batches = COUNT // 2, COUNT // SPREAD
    dice = random.Random(3)
    queries = (
        ("1 match", 1, lambda n: f"metadata.order=A-{n:07d}"),
        ("20 matches, spread", SPREAD, lambda n: f"metadata.batch=b-{n % batches:06d}"),
        ("half of all, first page of 100", 100, lambda n: f"metadata.shop={'south' if n % 2 else 'north'}"),
        ("half of all, a page of 100 in the middle", 100,
         lambda n: f"metadata.shop=north&cursor=t{dice.randrange(half, COUNT)}"),
        ("none", 0, lambda n: f"metadata.order=B-{n:07d}"),
        ("no such member", 0, lambda n: f"metadata.voucher{n}=1"),
        ("1 match and its state", None, lambda n: f"metadata.order=A-{n:07d}&state=settled"),
        ("20 matches, half of all and a status", None,
         lambda n: f"metadata.batch=b-{n % batches:06d}&metadata.shop=north&status=completed"),
        ("half of all and 1 in 200 (tracking)", 100, lambda n: "metadata.shop=north&state=tracking"),
        ("half of all and 1 in 200 that never meet", 0, lambda n: "metadata.shop=south&state=tracking"),
        ("half of all and 20 that never meet", 0,
         lambda n: f"metadata.shop=north&metadata.batch=b-{n // 2 * 2 % batches:06d}"),
        ("two halves that never meet", 0, lambda n: "metadata.shop=north&metadata.paid=true"))
    figures, connection = {}, daemon.connection()
    for what, matches, query in queries:
        waits, sizes = [], []
        with Window(world, daemon.process.pid) as window:
            for _ in range(CALLS):
                target = "/v1/transactions?limit=100&" + query(dice.randrange(COUNT))
                began = time.monotonic()
                connection.request("GET", target)
                reply = connection.getresponse()
                body = reply.read()
                waits.append((time.monotonic() - began) * 1000)
                assert reply.status == 200, body
                page = json.loads(body)
                sizes.append(len(page["transactions"]))
        assert matches is None or set(sizes) == {min(matches, COUNT)}, (what, set(sizes))
        figures[what] = {"calls": CALLS, "found": sum(sizes) / CALLS, "p50_ms": percentile(waits, 0.5),
                         "p99_ms": percentile(waits, 0.99), "longest_ms": max(waits),
                         "cpu_ms": window.cpu / CALLS * 1000, "foreign": window.foreign}
        show(what, figures[what])
    return figures


class Adding(threading.Thread):
    """One id after the other, ten a second; how long each took."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.target, self.waits, self.stopped = daemon, [], threading.Event()

    def run(self):
        while not self.stopped.wait(0.1):
            began = time.monotonic()
            self.target.track(f"new-{uuid.uuid4()}", metadata={"order": "new"})
            self.waits.append((time.monotonic() - began) * 1000)


def threads_of(pid):
    """(name, CPU seconds) of each thread."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/stat") as file:
                head, tail = file.read().rsplit(")", 1)
        except OSError:
            continue
        fields = tail.split()
        found.append((head.split("(", 1)[1], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")))
    return found


def cpu_of_thread(pid, name):
    return sum(seconds for each, seconds in threads_of(pid) if each == name)


def export(world, daemon, reader, target):
    """One export to a file by `reader`, while /healthz is asked every 20 ms and ids are added."""
    pid, adding = daemon.process.pid, Adding(daemon)
    before, least = metrics(daemon), memory_kib(pid)
    most, waits, threads = least, [], {"store": 0, "export": 0}
    base = cpu_of_thread(pid, "store")
    connection = daemon.connection()
    adding.start()
    with Window(world, pid) as window, open(target, "wb") as file:
        child = subprocess.Popen(reader, stdout=file)
        began = time.monotonic()
        while child.poll() is None:
            asked = time.monotonic()
            connection.request("GET", "/healthz")
            reply = connection.getresponse()
            reply.read()
            assert reply.status == 200, reply.status
            waits.append((time.monotonic() - asked) * 1000)
            most = max(most, memory_kib(pid))
            threads = {name: max(seconds, cpu_of_thread(pid, name)) for name, seconds in threads.items()}
            time.sleep(max(0.0, 0.02 - (time.monotonic() - asked)))
        took = time.monotonic() - began
    adding.stopped.set()
    adding.join()
    assert child.returncode == 0, child.returncode
    after = metrics(daemon)
    lag = [1000 * (histogram_quantile(before, after, "prooftrackd_loop_lag_seconds", share) or 0)
           for share in (0.5, 0.99)]
    return {"seconds": took, "mb": target.stat().st_size / 1e6, "memory_mib": (most - least) / 1024,
            "lag_p50_ms": lag[0], "lag_p99_ms": lag[1], "health_p50_ms": percentile(waits, 0.5),
            "health_p99_ms": percentile(waits, 0.99), "health_longest_ms": max(waits),
            "add_p50_ms": percentile(adding.waits, 0.5), "add_p99_ms": percentile(adding.waits, 0.99),
            "cpu_s": window.cpu, "store_cpu_s": threads["store"] - base, "export_cpu_s": threads["export"],
            "foreign": window.foreign}


def ids_in(path):
    with open(path, newline="") as file:
        if path.suffix == ".csv":
            return [row["merchant_transaction_id"] for row in csv.DictReader(file)]
        return [json.loads(line)["merchant_transaction_id"] for line in file]


def exports(world, daemon, identifiers):
    ours, figures = set(identifiers), {}
    curl = ["curl", "-sSf", "--unix-socket", daemon.socket]
    ctl = [program("prooftrackctl"), "--socket", daemon.socket]
    for what, reader, name in (
            ("NDJSON, curl", [*curl, "http://d/v1/export/transactions"], "out.ndjson"),
            ("CSV, curl", [*curl, "http://d/v1/export/transactions?format=csv"], "out.csv"),
            ("NDJSON, prooftrackctl", [*ctl, "--json", "export", "transactions"], "out.ndjson"),
            ("CSV, prooftrackctl", [*ctl, "export", "transactions"], "out.csv")):
        path = daemon.folder / name
        figures[what] = export(world, daemon, reader, path)
        found = ids_in(path)
        assert len(found) == len(set(found)), "an id twice"
        assert not ours - set(found), "not all of them"
        assert all(each.startswith("new-") for each in set(found) - ours), "one that nobody added"
        figures[what]["lines"] = len(found)
        show(what, figures[what])
        path.unlink()
        time.sleep(2)
    return figures


def traces(daemon):
    """What an export holds: its thread, and its copy's file, which has no name any more once it is whole."""
    pid = daemon.process.pid
    count = sum(name == "export" for name, _ in threads_of(pid))
    for each in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += ".backup-" in os.readlink(f"/proc/{pid}/fd/{each}")
        except OSError:
            pass
    return count


def leave(daemon, in_the_copy):
    """A reader that goes, while the copy is made or after the first bytes: seconds until nothing is left of it."""
    connection, pid = daemon.connection(timeout=120), daemon.process.pid
    connection.request("GET", "/v1/export/transactions")
    if in_the_copy:
        wait_until(lambda: traces(daemon), 30, "the copy")
        time.sleep(0.3)
    else:
        connection.getresponse().read(1 << 20)
    began, cpu = time.monotonic(), process_cpu(pid)
    connection.close()
    wait_until(lambda: traces(daemon) == 0, 120, "nothing left of the export")
    return {"seconds": time.monotonic() - began, "cpu_s": process_cpu(pid) - cpu}


def left(daemon):
    figures = {"in the middle of the answer": leave(daemon, False), "while the copy is made": leave(daemon, True)}
    for what, its in figures.items():
        show(what, its)
    return figures


def worst(figure, name):
    """The greatest of all rows: what a target is about."""
    return lambda rounds: {name: [max(row[figure] for row in one.values()) for one in rounds]}


def export_targets(rounds):
    return {**worst("seconds", "seconds, the slowest")(rounds),
            **worst("lag_p99_ms", "loop lag p99, the worst")(rounds),
            **worst("health_p99_ms", "/healthz p99, the worst")(rounds)}


def sections_of(searched, exported, leaving):
    """For the report: what is derived of each, and its targets."""
    search = SimpleNamespace(TITLE=f"Search by metadata among {COUNT:,}", derive=worst("p99_ms", "p99, the worst"),
                             TARGETS=[("p99, the worst", "<=", 50)])
    export = SimpleNamespace(TITLE=f"Export of {COUNT:,} transactions", derive=export_targets,
                             TARGETS=[("seconds, the slowest", "<=", 30), ("loop lag p99, the worst", "<=", 20),
                                      ("/healthz p99, the worst", "<=", 20)])
    leave = SimpleNamespace(TITLE="A reader that leaves: until nothing is left of its export",
                            derive=lambda rounds: {}, TARGETS=[])
    return {"search": (search, searched), "export": (export, exported), "leaving": (leave, leaving)}


def main():
    dice = random.Random(7)
    identifiers = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(COUNT)]
    with World() as world:
        daemon = fill(world, identifiers)
        searched = [search(world, daemon)]
        exported = [exports(world, daemon, identifiers)]
        leaving = [left(daemon)]
        daemon.stop()
    sections = sections_of(searched, exported, leaving)
    missed = report.write_alone("books", sections, quick=COUNT < 1_000_000)
    print(f"targets missed: {', '.join(missed) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
