#!/usr/bin/env python3
"""Exports: every row of one state, while the daemon works; what a spreadsheet and a program read of it; a slow reader,
one that leaves, and a daemon that dies in the middle.

The optimised build is used when tests/run made one, as in cadence_test: AddressSanitizer keeps what is freed, and the
memory of an export is bounded here. """

import contextlib
import csv
import io
import json
import os
import sqlite3
import subprocess
import threading
import unittest

RELEASE = os.environ.get("PROOFTRACK_RELEASE_BIN")
if RELEASE and os.path.exists(os.path.join(RELEASE, "daemon", "prooftrackd")):
    os.environ["PROOFTRACK_BIN"] = RELEASE

from harness import SystemCase, program, wait_until  # noqa: E402
from store_switch import about_sqlite

IN_MEMORY = ("last_polled_at", "next_poll_at", "polls", "consecutive_errors", "last_error")


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


class Export(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.receiver = self.start_receiver()
        self.daemon = self.start_daemon([self.callback(self.receiver)], poll={"verify_after": []})

    def ctl(self, *arguments, expect=0):
        done = subprocess.run([program("prooftrackctl"), "--socket", self.daemon.socket, *arguments],
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, expect, f"{arguments}: {done.stderr}")
        return done.stdout.decode()

    def lines(self, target):
        reply = self.daemon.api("GET", target)
        self.assertEqual(reply.status, 200, reply)
        return [json.loads(line) for line in reply.body.splitlines()]

    def settle_some(self):
        for number, word in enumerate(("completed", "failed", "cancelled")):
            self.daemon.track(f"t-{number}", metadata={"note": '=1+1,"x"\n', "number": number})
            self.sandbox.set(f"t-{number}", status=word)
        for number in range(3):
            self.daemon.wait_state(f"t-{number}", "settled")
        wait_until(lambda: len(self.receiver.events()) == 3, 20, "the deliveries")
        wait_until(lambda: {d["state"] for d in self.lines("/v1/export/deliveries")} == {"delivered"}, 20, "their ends")

    def test_all_forms_of_all_lists_have_what_the_lists_have(self):
        self.settle_some()
        listed = self.daemon.all_transactions()[::-1]
        for each in listed:
            each.pop("node", None)  # of this moment, not of a stored row
        events = self.daemon.events()
        deliveries = self.daemon.api("GET", "/v1/deliveries").json["deliveries"][::-1]

        exported = self.lines("/v1/export/transactions")
        self.assertEqual([list(each) for each in exported], [list(each) for each in listed])
        for name in IN_MEMORY:
            for each in exported + listed:
                del each[name]
        self.assertEqual(exported, listed)
        self.assertEqual(self.lines("/v1/export/events"), events)
        self.assertEqual(self.lines("/v1/export/deliveries"), deliveries)

        reply = self.daemon.api("GET", "/v1/export/transactions?format=csv")
        self.assertEqual(reply.headers["content-type"], "text/csv; charset=utf-8; header=present")
        self.assertEqual(reply.headers["transfer-encoding"], "chunked")
        rows = rows_of(reply.body.decode())
        self.assertEqual(rows, rows_of(self.ctl("export", "transactions")))
        self.assertEqual(len(rows), 3)
        for row, transaction in zip(rows, listed):
            self.assertNotIn(None, row)
            self.assertEqual(json.loads(row["metadata"]), transaction["metadata"])
            self.assertEqual(row["settled_at"], transaction["settled_at"])
            self.assertEqual(row["callback_url"], "")
            for name in ("fiat_amount", "status", "created_at"):
                self.assertEqual(row[f"proof_{name}"], transaction["proof"][name])
        self.assertEqual([(row["seq"], row["type"], row["final"], row["proof_fiat_amount"])
                          for row in rows_of(self.ctl("export", "events", "--format", "csv"))],
                         [(str(each["seq"]), each["type"], "true", each["data"]["proof"]["fiat_amount"])
                          for each in events])
        self.assertEqual([row["event_id"] for row in rows_of(self.ctl("export", "deliveries"))],
                         [each["event_id"] for each in deliveries])
        self.assertEqual([json.loads(line) for line in self.ctl("--json", "export", "events").splitlines()], events)

        since = events[1]["timestamp"]
        self.assertEqual(self.lines(f"/v1/export/events?since={since}"), events[1:])
        self.assertEqual(self.lines(f"/v1/export/events?until={since}"), events[:1])
        self.assertEqual(self.ctl("export", "events", "--format", "ndjson", "--until", "2026-01-01"), "")
        self.assertEqual(len(self.lines("/v1/export/deliveries?since=" + since)), 2)

    def test_what_is_not_there_is_refused(self):
        self.assert_problem(self.daemon.api("GET", "/v1/export/transactions?format=xlsx"), 400, "invalid_request")
        self.assert_problem(self.daemon.api("GET", "/v1/export/sessions"), 404, "route_not_found")
        self.ctl("export", "sessions", expect=64)
        self.ctl("export", "events", "--since", "yesterday", expect=64)
        self.ctl("export", expect=64)

    def fill(self, number):
        self.daemon.import_ids([{"merchant_transaction_id": f"many-{i}", "metadata": {"text": "x" * 1000}}
                                for i in range(number)])

    def open_export(self):
        connection = self.daemon.connection()
        connection.request("GET", "/v1/export/transactions")
        return connection, connection.getresponse()

    def test_a_slow_reader_gets_one_state_and_holds_nothing_up(self):
        self.fill(8000)
        connection, reply = self.open_export()
        begun = reply.readline()
        before = self.daemon.process.memory_kib()
        self.daemon.track("later")
        self.sandbox.set("many-7999", status="completed")
        self.daemon.wait_state("many-7999", "settled", 30)
        self.assertLess(self.daemon.process.memory_kib() - before, 16 * 1024)
        self.assertEqual(list(self.daemon.folder.glob("*.backup-*")), [])
        rows = [json.loads(line) for line in [begun, *reply.read().splitlines()]]
        connection.close()
        self.assertEqual([row["merchant_transaction_id"] for row in rows], [f"many-{i}" for i in range(8000)])
        self.assertEqual({row["state"] for row in rows}, {"tracking"})

    def test_four_at_a_time_and_a_reader_that_leaves_makes_room(self):
        self.fill(8000)
        going = [self.open_export() for _ in range(4)]
        self.assert_problem(self.daemon.api("GET", "/v1/export/events"), 503, "unavailable")
        going.pop()[0].close()
        wait_until(lambda: self.daemon.api("GET", "/v1/export/events").status == 200, 10, "room for another")
        for connection, _ in going:
            connection.close()

    @about_sqlite("a page of its file is damaged")
    def test_a_damaged_page_is_logged_and_gives_no_whole_answer(self):
        self.fill(1000)
        self.assertEqual(self.daemon.stop(), 0)
        path = self.folder / "state" / "prooftrackd.db"
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            # Nothing is loaded at the start.
            database.execute("UPDATE transactions SET state = 6, watched = 0, ended_at = tracked_at")
            database.execute("DELETE FROM transaction_counts")
            database.execute("INSERT INTO transaction_counts"
                             " SELECT state, kind, count(*) FROM transactions GROUP BY state, kind")
        # Between the roots of the tables, which are made with the database, and the newest rows, which the start reads.
        pages = path.stat().st_size // 4096
        with open(path, "r+b") as file:
            file.seek(pages // 2 * 4096)
            file.write(b"\xff" * (pages // 4 * 4096))
        self.daemon.start()
        connection, reply = self.open_export()
        with self.assertRaises(Exception):
            reply.read()
        connection.close()
        told = self.daemon.wait_log("export.failed")[0]
        self.assertEqual(told["operation"], "export")
        self.assertIn("malformed", told["error"])

    def test_one_that_breaks_off_says_so(self):
        self.fill(8000)
        connection, reply = self.open_export()
        reader = subprocess.Popen([program("prooftrackctl"), "--socket", self.daemon.socket, "export", "transactions"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        reader.stdout.read(1)
        reply.read(1)
        self.daemon.kill()
        with self.assertRaises(Exception):
            reply.read()
        connection.close()
        output = []
        drain = threading.Thread(target=lambda: output.append(reader.communicate(timeout=30)))
        drain.start()
        drain.join()
        self.assertNotEqual(reader.returncode, 0)
        self.assertIn(b"prooftrackctl", output[0][1])
        self.daemon.start()
        self.assertEqual(len(self.lines("/v1/export/transactions")), 8000)


if __name__ == "__main__":
    unittest.main()
