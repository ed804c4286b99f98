#!/usr/bin/env python3
"""What the disk can do to the daemon, and what a backup is worth."""

import os
import shutil
import sqlite3
import subprocess
import threading
import time
import unittest

from harness import SystemCase, program, wait_until
from store_switch import about_sqlite


@about_sqlite("PostgreSQL's own tools make its backups")
class Backup(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.start_daemon([])

    def test_a_live_backup_is_whole_and_restores_under_a_new_log(self):
        done = [f"d{n}" for n in range(50)]
        self.sandbox.set_many({identifier: "completed" for identifier in done})
        self.daemon.import_ids(done + [f"open{n}" for n in range(200)])
        wait_until(lambda: self.daemon.status()["transactions"]["by_state"].get("settled") == 50, 20, "all settled")
        before = self.daemon.api("GET", "/v1/events?limit=1000").json
        stop = threading.Event()

        def keep_writing():
            number = 0
            while not stop.is_set():
                self.daemon.import_ids([f"w{number}-{n}" for n in range(50)])
                number += 1
        writer = threading.Thread(target=keep_writing)
        writer.start()
        copy = self.folder / "copy.db"
        ctl = [program("prooftrackctl"), "--socket", self.daemon.socket]
        try:
            subprocess.run([*ctl, "backup", str(copy)], check=True, timeout=60, capture_output=True)
        finally:
            stop.set()
            writer.join()
        self.assertEqual(os.stat(copy).st_mode & 0o777, 0o600)
        refused = subprocess.run([*ctl, "backup", str(copy)], timeout=60, capture_output=True)
        self.assertEqual(refused.returncode, 1, "it does not overwrite without --force")
        with sqlite3.connect(copy) as database:
            self.assertEqual(database.execute("PRAGMA quick_check").fetchall(), [("ok",)])
        self.daemon.stop()
        shutil.rmtree(self.folder / "state")
        (self.folder / "state").mkdir(mode=0o700)
        shutil.copy(copy, self.folder / "state" / "prooftrackd.db")
        self.daemon.start()
        after = self.daemon.api("GET", "/v1/events?limit=1000").json
        self.assertEqual([e["id"] for e in after["events"]], [e["id"] for e in before["events"]])
        self.assertNotEqual(after["log_id"], before["log_id"])
        self.assertEqual(self.daemon.get("open7")["state"], "tracking")

    def test_one_backup_at_a_time_and_never_a_torn_one(self):
        self.daemon.import_ids([f"x{n}" for n in range(5000)])
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(self.daemon.api("GET", "/v1/backup", timeout=60)))
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertIn(200, {r.status for r in replies})
        for reply in replies:
            if reply.status == 200:
                self.assertTrue(reply.body.startswith(b"SQLite format 3\0"))
            else:
                self.assertIn(reply.status, (409, 503), reply)


@unittest.skipUnless(os.geteuid() == 0, "mounting needs root")
@about_sqlite("the disk is the server's, which a daemon does not see")
class FullDisk(SystemCase):
    interval = ["300ms", "500ms"]

    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.receiver = self.start_receiver()
        (self.folder / "state").mkdir(mode=0o700)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs",
                                  str(self.folder / "state")], capture_output=True)
        if mounted.returncode:
            self.skipTest(f"no tmpfs here: {mounted.stderr.decode()}")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.folder / "state")], capture_output=True)

    def test_it_refuses_work_and_resumes_by_itself(self):
        daemon = self.start_daemon([self.callback(self.receiver)])
        daemon.import_ids([f"kept{n}" for n in range(100)])
        filler = self.folder / "state" / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        refused = None

        def add_until_refused():
            nonlocal refused
            for n in range(300):
                reply = daemon.api("POST", "/v1/transactions",
                                   {"merchant_transaction_id": f"full{time.monotonic_ns()}",
                                    "metadata": {"x": "y" * 3000}})
                if reply.status != 201:
                    refused = reply
                    return True
            return False
        wait_until(add_until_refused, 60, "a refusal")
        self.assert_problem(refused, 503, "store_unavailable")
        ready = daemon.api("GET", "/readyz")
        self.assertEqual(ready.status, 503)
        self.assertTrue(daemon.process.alive())
        with self.subTest("status"):
            self.assertEqual(daemon.status()["store"]["state"], "full")
        # An end that cannot be recorded is told to nobody.
        self.sandbox.set("kept1", status="completed")
        time.sleep(2)
        told = {d.event_id for d in self.receiver.deliveries}
        filler.unlink()
        wait_until(lambda: daemon.api("GET", "/readyz").status == 200, 30, "ready again")
        wait_until(lambda: daemon.get("kept1")["state"] == "settled", 20, "the end is recorded")
        wait_until(lambda: self.receiver.of("kept1"), 20, "and told")
        logged = {e["id"] for e in daemon.events()}
        self.assertLessEqual(told, logged, "nothing was told that is not recorded")
        self.assertEqual(daemon.api("POST", "/v1/transactions", {"merchant_transaction_id": "again"}).status, 201)
        self.assertTrue(daemon.logged("store.error"))
        self.assertTrue(daemon.logged("store.recovered"))
        daemon.kill()
        daemon.start()
        self.assertEqual(daemon.get("again")["state"], "tracking")


    def fill(self, leave=0):
        """The file that takes the rest of the disk but for `leave` bytes."""
        filler = self.folder / "state" / "filler"
        room = os.statvfs(self.folder / "state")
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - leave)
        return filler

    def test_it_warns_before_and_does_not_flip_at_the_limit(self):
        daemon = self.start_daemon([])
        daemon.track("first")
        filler = self.fill(leave=512 * 1024)
        warned = daemon.wait_log("store.nearly_full", timeout=40)[0]
        self.assertEqual((warned["level"], warned["capacity_bytes"]), ("warning", 16 << 20))
        self.assertLess(warned["free_bytes"], warned["limit_bytes"])
        self.assertEqual(daemon.logged("store.error"), [], "it is told before")

        def is_refused():
            return daemon.api("POST", "/v1/transactions",
                              {"merchant_transaction_id": f"x{time.monotonic_ns()}",
                               "metadata": {"x": "y" * 3000}}).status == 503
        wait_until(is_refused, 30, "a refusal")
        # A little room comes and goes: it stays full, and says so once.
        for _ in range(10):
            with open(filler, "r+b") as file:
                file.truncate(file.seek(0, os.SEEK_END) - 8192)
            wait_until(is_refused, 1, "still full")
            time.sleep(0.5)  # ten of these: it tries the disk every 2 s
        # the others: a change that waits
        turned = [line for line in daemon.logged("store.error") if line.get("state") == "full"]
        self.assertEqual((len(turned), daemon.logged("store.recovered")), (1, []))
        filler.unlink()
        wait_until(lambda: daemon.api("GET", "/readyz").status == 200, 30, "ready again")
        self.assertEqual(len(daemon.wait_log("store.recovered")), 1)
        self.assertEqual(len(daemon.wait_log("store.has_space", timeout=40)), 1)
        self.assertEqual(len(daemon.logged("store.nearly_full")), 1)


class Retention(SystemCase):
    def test_old_ends_are_pruned_and_the_cursor_says_so(self):
        self.start_sandbox("--accept-any")
        receiver = self.start_receiver()
        daemon = self.start_daemon([self.callback(receiver)], store={"retention": "2s"}, poll={"verify_after": []})
        self.sandbox.set_many({f"old{n}": "completed" for n in range(5)})
        daemon.import_ids([f"old{n}" for n in range(5)] + ["young"])
        wait_until(lambda: len(receiver.deliveries) == 5, 10, "5 told")
        gone = wait_until(lambda: (lambda r: r if r.status == 410 else None)(daemon.api("GET", "/v1/events?after=1")),
                          90, "pruned")
        problem = self.assert_problem(gone, 410, "cursor_gone")
        self.assertGreater(problem["oldest_seq"], 1)
        # Pruning goes batch by batch: the first one may have left some.
        wait_until(lambda: daemon.api("GET", "/v1/events?after=0").json["events"] == [], 10,
                   "0 is from the oldest kept")
        wait_until(lambda: daemon.api("GET", "/v1/transactions/old1").status == 404, 30,
                   "the transaction is pruned too")
        self.assertEqual(daemon.get("young")["state"], "tracking")
        # seq goes on where it was.
        self.sandbox.set("young", status="failed")
        daemon.wait_state("young", "settled")
        wait_until(lambda: receiver.of("young"), 10, "told")
        self.assertEqual(daemon.status()["events"]["last_seq"], 6)


if __name__ == "__main__":
    unittest.main()
