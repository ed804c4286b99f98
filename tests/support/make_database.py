#!/usr/bin/env python3
"""Makes tests/unit/store/databases/version_<N>.db with the daemon as it is now: run once for each schema that lands.

    PROOFTRACK_BIN=.build/release python3 tests/support/make_database.py

The file stays as it is for ever after: it stands for the databases that people have. What the test expects of it is in
tests/unit/store/old_database_test.cpp.
"""

import pathlib
import shutil
import sqlite3
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/system"))

from harness import SystemCase, wait_until  # noqa: E402

UUID = "550e8400-e29b-41d4-a716-446655440000"


class Maker(SystemCase):
    def runTest(self):
        self.start_sandbox("--accept-any")
        good, bad = self.start_receiver(name="good"), self.start_receiver(name="bad")
        bad.answer = lambda delivery: 500
        daemon = self.start_daemon([self.callback(good, "backend"),
                                    self.callback(bad, "broken", retry_schedule=["100ms"],
                                                  events=["transaction.completed"]),
                                    self.callback(bad, "slow", retry_schedule=["24h"], events=["transaction.failed"])],
                                   poll={"verify_after": []})
        raw = '{"merchant_transaction_id": "%s", "metadata": {"order": "A-17", "amount": 1.10}}' % UUID
        self.assertEqual(daemon.api("POST", "/v1/transactions", raw).status, 201)
        daemon.import_ids(["Done.1", "Done.2", "broke", "gone", "left"])
        daemon.track("late", overdue_after="1s")
        daemon.track("open", metadata={"note": "stays"})
        for consumer, seq in (("first", 0), ("second", 2)):
            wait_until(lambda: seq <= daemon.status()["events"]["last_seq"], 10, "events")
            self.assertEqual(daemon.api("PUT", f"/v1/consumers/{consumer}", {"seq": seq}).status, 201)
            if seq == 0:
                for number, (identifier, status) in enumerate([(UUID, "completed"), ("Done.1", "completed"),
                                                               ("broke", "failed"), ("gone", "cancelled")]):
                    self.sandbox.set(identifier, status=status)
                    wait_until(lambda: daemon.status()["events"]["last_seq"] >= number + 1, 10, "its event")
        daemon.wait_state("late", "overdue")
        self.assertEqual(daemon.api("DELETE", "/v1/transactions/left").status, 200)
        body = {"partner_user_id": "user_17", "user_email": "a@shop.example", "currency": "USDT",
                "fiat_currency": "EUR", "fiat_amount": "49.90"}
        self.assertEqual(daemon.api("POST", "/v1/sessions", body, {"Idempotency-Key": "once"}).status, 201)
        wait_until(lambda: len(daemon.api("GET", "/v1/deliveries?state=dead").json["deliveries"]) == 2, 20,
                   "two dead ones")
        wait_until(lambda: daemon.api("GET", "/v1/deliveries?state=pending&callback=backend").json["deliveries"] == [],
                   20, "told")
        self.assertEqual(daemon.stop(), 0)
        made = self.folder / "state" / "prooftrackd.db"
        database = sqlite3.connect(f"file:{made}?immutable=1", uri=True)
        self.assertEqual(database.execute("PRAGMA quick_check").fetchone()[0], "ok")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        for table in ("counters", "transaction_counts", "lanes", "consumers", "deliveries"):
            print(table, database.execute(f"SELECT * FROM {table}").fetchall())
        print(database.execute("SELECT row, id, state, kind, watched, status, polls FROM transactions").fetchall())
        print(database.execute("SELECT seq, id, type, body FROM events").fetchall())
        print(database.execute("SELECT count(*) FROM history").fetchall(),
              database.execute("SELECT * FROM session_keys").fetchall())
        database.close()
        kept = ROOT / f"tests/unit/store/databases/version_{version}.db"
        if kept.exists():
            raise SystemExit(f"{kept} is there and is never made anew")
        shutil.copyfile(made, kept)
        print(kept, kept.stat().st_size)


if __name__ == "__main__":
    result = Maker().defaultTestResult()
    Maker().run(result)
    for _, trouble in result.failures + result.errors:
        print(trouble)
