#!/usr/bin/env python3
"""Reconciles a list of a million lines with 1,000 planted differences of every class.

    PROOFTRACK_BIN=.build/release python3 -B tests/bench/reconcile.py [LINES [EACH]]

Fills a database that the daemon made, starts the daemon on it, and measures prooftrackctl from outside: time, CPU time,
the most memory it held, and whether it found exactly what was planted. Then POST /v1/reconcile with as much of the list
as it takes: time and the memory that the daemon holds more. Some 2 GB beside /tmp and 3 minutes; writes
results/reconcile.json and .md. """

import json
import os
import pathlib
import random
import re
import sqlite3
import sys
import threading
import time
import uuid
from types import SimpleNamespace

import report
from world import Window, show  # knows where harness is
from harness import SystemCase, program

LINES = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
EACH = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
DAY = 86_400_000
CLASSES = ("unknown_here", "reversed_since", "status_differs", "amount_differs", "credited_but_not_completed",
           "completed_but_not_credited", "not_delivered", "still_open", "here_but_not_given")
STATES = {"pending": (0, 1), "completed": (1, 3), "failed": (1, 4)}


def plant(kind):
    """What the daemon has (None = nothing), and what the list says (None = nothing)."""
    status, line = "completed", ["completed", "100", "true"]
    if kind == "unknown_here":
        status = None
    elif kind == "reversed_since":
        status = "failed"
    elif kind == "status_differs":
        line = ["failed", "100", ""]
    elif kind == "amount_differs":
        line[1] = "100.01"
    elif kind == "credited_but_not_completed":
        status = line[0] = "failed"
    elif kind == "completed_but_not_credited":
        line[2] = "false"
    elif kind == "still_open":
        status, line = "pending", ["pending", "", "false"]
    elif kind == "here_but_not_given":
        line = None
    return status, line


def peak_of(child):
    """KiB, once it has ended. `ru_maxrss` would be no less than this script's own, from before the exec."""
    peak = 0
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        found = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{child}/status").read_text())
        peak = max(peak, int(found[1])) if found else peak
        time.sleep(0.02)
    return peak


TARGETS = [("seconds", "<=", 60), ("memory, MiB", "<=", 100), ("missed", "<=", 0), ("false", "<=", 0)]


def derive(rounds):
    """Of prooftrackctl."""
    lines = [next(iter(one.values())) for one in rounds]
    return {"seconds": [line["seconds"] for line in lines], "memory, MiB": [line["memory_mib"] for line in lines],
            "missed": [line["missed"] for line in lines], "false": [line["false"] for line in lines]}


class Reconcile(SystemCase):
    interval = ["60s", "120s"]  # the sandbox shares the cores: the polls are not what is measured

    def world(self):
        """(id, kind) in a random order; `agrees` for most."""
        numbers = random.Random(7)
        kinds = [kind for kind in CLASSES for _ in range(EACH)]
        kinds += ["agrees"] * (LINES - (len(CLASSES) - 1) * EACH)
        numbers.shuffle(kinds)
        return [(str(uuid.UUID(int=numbers.getrandbits(128), version=4)), kind) for kind in kinds]

    def fill(self, path, world):
        now = int(time.time() * 1000)
        counts, deliveries = {}, []
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("PRAGMA synchronous = OFF")
        database.execute("BEGIN")
        row = 0
        for identifier, kind in world:
            status, _ = plant(kind)
            if status is None:
                continue
            row += 1
            at = now - 30 * DAY + row * 30 * DAY // len(world)
            state, word = STATES[status]
            counts[(state, word)] = counts.get((state, word), 0) + 1
            ended = at if state == 1 else None
            database.execute(
                "INSERT INTO transactions (row, id, state, kind, watched, status, tracked_at, overdue_at, settled_at,"
                " polls, bad_requests, verifications_done, was_overdue, ended_at, options_digest, metadata)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 9, 0, 2, 0, ?, zeroblob(32), x'7b7d')",
                (row, uuid.UUID(identifier).bytes, state, word, 0 if ended else 1, status, at - 60000, now + 90 * DAY,
                 ended, ended))
            database.execute("INSERT INTO proofs VALUES (?, ?)", (row, json.dumps({
                "merchant_transaction_id": identifier, "partner_user_id": "user_17", "type": "buy", "status": status,
                "currency": "USDT", "network": "TRC20", "crypto_amount": "100.000000", "fiat_currency": "EUR",
                "fiat_amount": "100.00", "created_at": "2026-04-01T10:00:00.000Z",
                "updated_at": "2026-04-01T10:00:00.000Z"}).encode()))
            database.execute("INSERT INTO history VALUES (?, 1, ?, NULL, 0, NULL, NULL, NULL, NULL)", (row, at - 60000))
            if kind == "reversed_since":
                for number, (source, before, after) in enumerate(((0, "pending", "completed"),
                                                                  (1, "completed", "failed")), 2):
                    database.execute("INSERT INTO history VALUES (?, ?, ?, ?, 1, ?, ?, NULL, NULL)",
                                     (row, number, at + number, source, before, after))
            if kind == "not_delivered":
                deliveries.append(row)
        for seq, one in enumerate(deliveries, 1):
            database.execute("INSERT INTO events (seq, id, type, transaction_row, state, status, recorded_at, body)"
                             " VALUES (?, ?, 'transaction.completed', ?, 1, 'completed', ?, ?)",
                             (seq, f"evt_{seq:032x}", one, now, b'{"id":"evt","data":{}}'))
            database.execute("INSERT INTO deliveries (id, event_seq, transaction_row, lane, state, attempts,"
                             " last_attempt_at, last_status, last_error) VALUES (?, ?, ?, 1, 2, 9, ?, 500, 'refused')",
                             (seq, seq, one, now))
        database.execute("INSERT OR REPLACE INTO lanes VALUES (1, 'backend', 'backend', 0, ?, ?, NULL)",
                         (len(deliveries), len(deliveries)))
        database.execute("DELETE FROM transaction_counts")
        database.executemany("INSERT INTO transaction_counts VALUES (?, ?, ?)",
                             [(*cell, number) for cell, number in counts.items()])
        database.execute("UPDATE counters SET next_transaction = ?, next_history = 9, next_delivery = ?,"
                         " next_event = ?", (row + 1, len(deliveries) + 1, len(deliveries) + 1))
        database.execute("COMMIT")
        database.close()

    def write_list(self, world):
        path = self.folder / "list.csv"
        lines = list(world)
        random.Random(8).shuffle(lines)
        with open(path, "w") as file:
            file.write("merchant_transaction_id,status,fiat_amount,fiat_currency,credited\n")
            for identifier, kind in lines:
                line = plant(kind)[1]
                if line:
                    file.write(f"{identifier},{line[0]},{line[1]},EUR,{line[2]}\n")
        return path

    def call(self, daemon, listed, world):
        """The call with the lines that fit into 32 MiB. What the list does not have is not asked for: the time is past.
        """
        text = listed.read_bytes()[:32 << 20]
        text = text[:text.rindex(b"\n") + 1]
        given = {line.split(b",")[0].decode() for line in text.splitlines()}
        memory, ended = [daemon.process.memory_kib()], threading.Event()

        def watch():
            while not ended.wait(0.02):
                memory.append(daemon.process.memory_kib())

        watcher = threading.Thread(target=watch)
        watcher.start()
        with Window(None, daemon.process.pid, self.sandbox.process.pid) as window:
            reply = daemon.api("POST", "/v1/reconcile?until=2000-01-01T00:00:00Z", text, {"Content-Type": "text/csv"},
                               timeout=300)
        ended.set()
        watcher.join()
        self.assertEqual(reply.status, 200, reply)
        lines = [json.loads(line) for line in reply.body.splitlines()]
        found = {(one["merchant_transaction_id"], one["class"]) for one in lines[:-1]}
        planted = {(identifier, kind) for identifier, kind in world if kind != "agrees" and identifier in given}
        self.assertEqual(found, planted)
        return {"lines": len(given) - 1, "seconds": window.seconds, "daemon_cpu_s": window.cpu,
                "daemon_memory_mib": (max(memory) - memory[0]) / 1024, "missed": len(planted - found),
                "false": len(found - planted), "foreign": window.foreign}

    def runTest(self):
        self.start_sandbox("--accept-any")
        receiver = self.start_receiver()
        daemon = self.start_daemon([self.callback(receiver)], log={"level": "info"})
        daemon.stop()
        began = time.time()
        world = self.world()
        self.fill(self.folder / "state" / "prooftrackd.db", world)
        listed = self.write_list(world)
        print(f"made in {time.time() - began:.0f} s", flush=True)
        daemon.start()
        out, report_file = self.folder / "out.ndjson", self.folder / "report.html"
        with Window(None, daemon.process.pid, self.sandbox.process.pid) as window, open(out, "w") as file:
            child = os.posix_spawn(
                program("prooftrackctl"),
                ["prooftrackctl", "--socket", daemon.socket, "--json", "reconcile", str(listed), "--report",
                 str(report_file)],
                os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, file.fileno(), 1)])
            memory = peak_of(child)
            _, status, usage = os.wait4(child, 0)
        found = {kind: set() for kind in CLASSES}
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        for one in lines[:-1]:
            found[one["class"]].add(one["merchant_transaction_id"])
        planted = {kind: {identifier for identifier, its in world if its == kind} for kind in CLASSES}
        missed = sum(len(planted[kind] - found[kind]) for kind in CLASSES)
        false = sum(len(found[kind] - planted[kind]) for kind in CLASSES)
        self.assertEqual((missed, false, os.waitstatus_to_exitcode(status)), (0, 0, 1))
        self.assertEqual(lines[-1]["summary"]["agreed"], LINES - (len(CLASSES) - 1) * EACH)
        rounds = [{f"prooftrackctl, {EACH} of each class": {
            "lines": LINES, "seconds": window.seconds, "cpu_s": usage.ru_utime + usage.ru_stime,
            "memory_mib": memory / 1024, "daemon_cpu_s": window.cpu, "report_mb": report_file.stat().st_size / 1e6,
            "missed": missed, "false": false, "foreign": window.foreign},
            "POST /v1/reconcile": self.call(daemon, listed, world)}]
        for what, figures in rounds[0].items():
            show(what, figures)
        section = SimpleNamespace(TITLE="Reconcile", derive=derive, TARGETS=TARGETS)
        report.write_alone("reconcile", {"reconcile": (section, rounds)}, quick=LINES < 1_000_000)


if __name__ == "__main__":
    result = Reconcile().defaultTestResult()
    Reconcile().run(result)
    for _, trouble in result.failures + result.errors:
        print(trouble)
    sys.exit(bool(result.failures or result.errors))
