#!/usr/bin/env python3
"""Replays a million events to a new callback, kills the daemon 20 times meanwhile, and measures how long new events
take.

    PROOFTRACK_BIN=.build/release python3 -B tests/bench/replay.py [EVENTS [KILLS]]

Fills a database that the daemon made (two events of each transaction), adds a callback, begins the replay, and adds
20 new ids a second, each of which settles at its first poll. nginx is Proof and the receiver. At the end every event
must have arrived, those of a transaction in their order. Some 3 GB beside /tmp and 15 minutes; writes
results/replay.json and .md. """

import os
import random
import sqlite3
import sys
import threading
import time
from types import SimpleNamespace

import report
from world import World, machine_busy, percentile, process_cpu, show

EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
NEW_A_SECOND = 20
SETTLING = 1.0  # seconds after a start and before a kill whose events are not of a running daemon

FILL = """
CREATE TEMP TABLE n AS WITH RECURSIVE c(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM c WHERE x < :events)
  SELECT x, (x + 1) / 2 AS row, :now - 86400000 + x * 60 AS at FROM c;
INSERT INTO transactions SELECT row, randomblob(16), 1, 3, 0, 'completed', max(at) - 60000, max(at) + 86400000, max(at),
  NULL, NULL, max(at), 9, 0, 2, 0, max(at), max(at), NULL, NULL, 0, zeroblob(32), NULL, NULL, x'7b7d', 1, NULL
  FROM n GROUP BY row;
INSERT INTO events SELECT x, printf('evt_%012x%020x', at, x), iif(x % 2, 'transaction.failed', 'transaction.completed'),
  row, 1, iif(x % 2, 'failed', 'completed'), at,
  CAST(printf('{"id":"evt_%012x%020x","type":"transaction.completed","timestamp":"2026-04-01T10:00:00.000Z",'
    || '"data":{"merchant_transaction_id":"%d","padding":"%s"}}', at, x, row, hex(zeroblob(300))) AS BLOB), NULL FROM n;
INSERT INTO transaction_counts VALUES (1, 3, (:events + 1) / 2);
UPDATE counters SET next_transaction = :events, next_event = :events + 1;
"""


def fill(path):
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000",
                   "temp_store = MEMORY"):
        database.execute(f"PRAGMA {pragma}").fetchall()
    numbers = {"events": EVENTS, "now": int(time.time() * 1000)}
    database.execute("BEGIN")
    for statement in FILL.split(";\n"):
        if statement.strip():
            database.execute(statement, {name: value for name, value in numbers.items() if f":{name}" in statement})
    database.execute("COMMIT")
    database.close()
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


class NewIds(threading.Thread):
    """Tracks ids at a steady pace; a daemon that is down is tried again with the next one."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.target, self.sent, self.stopped = daemon, 0, False

    def run(self):
        while not self.stopped:
            try:
                self.target.track(f"new-{self.sent}")
                self.sent += 1
            except (OSError, AssertionError, ValueError):
                pass
            time.sleep(1 / NEW_A_SECOND)


def replay_of(daemon):
    return daemon.api("GET", "/v1/replays").json["replays"][0]


def kill_and_wait(world, daemon, lives):
    """Over KILLS lives, spread over the replay by its progress. Gives the CPU seconds of the daemon."""
    chance, cpu = random.Random(11), 0.0
    for number in range(KILLS):
        aim = EVENTS * (number + chance.random()) / (KILLS + 1)
        while (shown := replay_of(daemon))["state"] == "running" and shown["delivered"] < aim:
            time.sleep(0.1)
        cpu += process_cpu(daemon.process.pid)
        lives[-1][1] = time.time()
        daemon.kill()
        world.start(daemon)
        lives.append([time.time(), None])
        print(f"kill {number + 1} at {shown['delivered']} of {EVENTS}", flush=True)
    while replay_of(daemon)["state"] == "running":
        time.sleep(0.2)
    lives[-1][1] = time.time()
    return cpu + process_cpu(daemon.process.pid)


def judge(arrivals, lives):
    """(events lost, repeats, transactions out of order, waits of new events in a running daemon, of all new ones)"""
    first = {}
    for index, (_, event) in enumerate(arrivals):
        first.setdefault(event, index)
    old = {int(event[16:], 16): index for event, index in first.items() if event[16:].startswith("00000000000")}
    lost = EVENTS - len(old)
    disorder = sum(old.get(seq + 1, EVENTS * 9) < old.get(seq, -1) for seq in range(1, EVENTS, 2))
    waits = []
    for event, index in first.items():
        if not event[16:].startswith("00000000000"):
            made = int(event[4:16], 16) / 1000
            waits.append((made, (arrivals[index][0] - made) * 1000))
    steady = [wait for made, wait in waits if any(a + SETTLING < made < b - SETTLING for a, b in lives)]
    return lost, len(arrivals) - len(first), disorder, steady, [wait for _, wait in waits]


TARGETS = [("new events: p99, ms", "<=", 50), ("lost", "<=", 0), ("out of order", "<=", 0), ("kills", ">=", 20)]


def derive(rounds):
    lines = [one["replay"] for one in rounds]
    return {"new events: p99, ms": [line["new_p99_ms"] for line in lines], "lost": [line["lost"] for line in lines],
            "out of order": [line["out_of_order"] for line in lines], "kills": [line["kills"] for line in lines]}


def own_cpu(world):
    """Seconds of this process, of the children that it waited for, and of nginx."""
    return sum(os.times()[:4]) + world.server_cpu()


def main():
    with World() as world:
        callback = {**world.webhook(), "name": "late", "max_in_flight": 16}
        daemon = world.daemon("replay", world.completed, poll={"interval": ["1s", "2s"]})
        world.start(daemon)
        daemon.stop()
        began = time.time()
        fill(daemon.folder / "state" / "prooftrackd.db")
        print(f"made in {time.time() - began:.0f} s", flush=True)
        daemon.config["callback"] = [callback]
        world.start(daemon)
        began = time.monotonic()
        counted = daemon.api("POST", "/v1/replays", {"callback": "late", "dry_run": True}, timeout=600).json["events"]
        print(f"dry run: {counted} events in {time.monotonic() - began:.1f} s", flush=True)
        lives, began = [[time.time(), None]], time.monotonic()
        busy, own = machine_busy(), own_cpu(world) + process_cpu(daemon.process.pid)
        begun = daemon.api("POST", "/v1/replays", {"callback": "late"}, timeout=600).json
        new = NewIds(daemon)
        new.start()
        cpu = kill_and_wait(world, daemon, lives)
        took = time.monotonic() - began
        new.stopped = True
        new.join()
        shown = replay_of(daemon)
        time.sleep(2)
        daemon.stop()  # and is counted from now on
        whole = time.monotonic() - began
        foreign = (machine_busy() - busy - (own_cpu(world) - own)) / whole / (os.cpu_count() or 1)
        lost, repeats, disorder, steady, waits = judge(world.arrivals(), lives)
        figures = {"events": begun["events"], "kills": KILLS, "seconds": took, "per_second": EVENTS / took,
                   "cpu_us": cpu / EVENTS * 1e6, "lost": lost, "out_of_order": disorder, "sent_twice": repeats,
                   "new_events": len(steady), "new_p50_ms": percentile(steady, 0.5),
                   "new_p99_ms": percentile(steady, 0.99), "new_longest_ms": percentile(steady, 1),
                   "p99_ms_with_those_about_a_kill": percentile(waits, 0.99), "foreign": max(0.0, foreign)}
        show("replay", figures)
        print(shown)
        section = SimpleNamespace(TITLE="Replay to a new callback, and new events meanwhile", derive=derive,
                                  TARGETS=TARGETS)
        report.write_alone("replay", {"replay": (section, [{"replay": figures}])}, quick=EVENTS < 1_000_000)
        return 0 if (lost, disorder, shown["state"], shown["delivered"]) == (0, 0, "done", EVENTS) else 1


if __name__ == "__main__":
    sys.exit(main())
