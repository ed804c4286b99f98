#!/usr/bin/env python3
"""prooftrackctl with the real daemon, the real sandbox and itself as the receiver."""

import json
import signal
import sqlite3
import subprocess
import threading
import unittest

from harness import SystemCase, program, wait_until
from store_switch import about_sqlite


class CommandLine(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox()

    def ctl(self, *arguments, expect=0, stdin=None):
        done = subprocess.run([program("prooftrackctl"), "--socket", self.daemon.socket, *arguments], input=stdin,
                              capture_output=True,
                              text=True, timeout=60)
        if expect is not None:
            self.assertEqual(done.returncode, expect, f"{arguments}: {done.stdout} {done.stderr}")
        return done.stdout, done.stderr

    def spawn(self, *arguments):
        process = subprocess.Popen([program("prooftrackctl"), "--socket", str(self.folder / "api.sock"), *arguments],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def listen(self):
        """prooftrackctl as the merchant's backend; gives the callback that reaches it."""
        secrets = self.folder / "ctl_secret"
        made = subprocess.run([program("prooftrackctl"), "secret", "new"], capture_output=True, text=True, check=True)
        secrets.write_text(made.stdout)
        secrets.chmod(0o600)
        self.listener = self.spawn("--json", "listen", "127.0.0.1:0", "--secret-file", str(secrets))
        url = json.loads(self.listener.stdout.readline())["listening"]
        self.heard = []
        threading.Thread(target=lambda: self.heard.extend(json.loads(line) for line in self.listener.stdout),
                         daemon=True).start()
        return {"name": "ctl", "url": url, "secret_file": str(secrets), "retry_schedule": ["200ms", "200ms"]}

    def test_the_whole_way_with_every_command(self):
        self.start_daemon([self.listen()])
        for status, code in (("completed", 0), ("failed", 2), ("cancelled", 3)):
            self.sandbox.set(f"id-{status}", script=[{"after": "300ms", "status": "processing"},
                                                     {"after": "700ms", "status": status}])
            out, _ = self.ctl("--json", "track", f"id-{status}", "--metadata", "order=A-17", "--wait", "--timeout",
                              "20s", expect=code)
            self.assertEqual(json.loads(out)["metadata"], {"order": "A-17"})
            self.ctl("wait", f"id-{status}", expect=code)
        wait_until(lambda: len(self.heard) == 3, 10, "three verified events")
        self.assertEqual([event["type"] for event in self.heard],
                         ["transaction.completed", "transaction.failed", "transaction.cancelled"])
        self.sandbox.set("id-open", status="pending")
        self.ctl("track", "id-open")
        self.ctl("wait", "id-open", "--timeout", "300ms", expect=5)
        self.ctl("poll", "id-open")
        out, _ = self.ctl("explain", "id-open")
        self.assertIn("poll.interval", out)
        self.assertIn("None is owed", out)
        wait_until(lambda: "delivered" in self.ctl("explain", "id-completed")[0], 10, "the delivery in explain")
        out, _ = self.ctl("--json", "explain", "id-completed")
        self.assertEqual(json.loads(out)["deliveries"][0]["delivery"]["callback"], "ctl")
        self.ctl("untrack", "id-open")
        self.ctl("wait", "id-open", expect=4)
        self.ctl("untrack", "id-open", expect=1)
        self.ctl("get", "nobody", expect=1)
        out, _ = self.ctl("--json", "list", "--state", "settled")
        self.assertEqual(len(out.splitlines()), 3)
        out, _ = self.ctl("--json", "deliveries", "--state", "delivered")
        self.assertEqual({json.loads(line)["callback"] for line in out.splitlines()}, {"ctl"})
        delivery = json.loads(out.splitlines()[-1])
        self.ctl("redeliver", str(delivery["id"]))
        self.ctl("redeliver", "id-failed", "--callback", "ctl")
        self.ctl("redeliver", "--dead")
        self.ctl("redeliver", "999999", expect=1)
        self.ctl("callback", "test", "ctl")
        wait_until(lambda: any(event["type"] == "callback.test" for event in self.heard), 10, "the test event")
        self.ctl("callback", "test", "nobody", expect=1)
        out, _ = self.ctl("--json", "events")
        self.assertEqual([json.loads(line)["seq"] for line in out.splitlines()],
                         list(range(1, len(out.splitlines()) + 1)))
        self.ctl("events", "--after", "99999", expect=1)
        self.ctl("consumers", "add", "ledger", "--seq", "0")
        self.ctl("consumers", "ack", "ledger", "1")
        out, _ = self.ctl("--json", "consumers")
        self.assertEqual(json.loads(out)["seq"], 1)
        self.ctl("consumers", "ack", "ledger", "99999", expect=1)
        self.ctl("consumers", "remove", "ledger")
        self.ctl("log-level", "debug")
        self.ctl("log-level", "loud", expect=1)
        out, _ = self.ctl("status")
        self.assertIn("3 settled", out)
        out, _ = self.ctl("--json", "status")
        self.assertEqual(json.loads(out)["proof"]["health"], "ok")
        out, _ = self.ctl("--json", "session", "--partner-user-id", "u-1", "--user-email", "a@example.org", "--network",
                          "TRC20", "--currency",
                          "USDT", "--amount", "25.00", "--metadata", "order=B-1")
        session = json.loads(out)["merchant_transaction_id"]
        out, _ = self.ctl("--json", "get", session)
        self.assertEqual(json.loads(out)["metadata"], {"order": "B-1"})
        out, _ = self.ctl("--json", "kyc", "u-1")
        self.assertEqual(json.loads(out)["partner_user_id"], "u-1")
        self.listener.send_signal(signal.SIGINT)
        self.assertEqual(self.listener.wait(10), 0)

    def test_import_counts_and_names_what_is_refused(self):
        self.start_daemon()
        lines = [f"many-{number}" for number in range(12000)]
        lines[6] = "not an id"
        lines[11000] = '{"merchant_transaction_id": "x", "unknown": 1}'
        out, err = self.ctl("import", "-", stdin="\n".join(lines), expect=1)
        self.assertIn("11,998 created, 0 existing, 2 rejected", out)
        self.assertIn("line 7: ", err)
        self.assertIn("line 11001: ", err)
        self.ctl("import", "-", stdin="many-1\nmany-2\n")
        self.daemon.track("with-metadata", metadata={"order": 7})
        out, _ = self.ctl("import", "-", stdin="with-metadata\n\"with-metadata\"\n")
        self.assertIn("0 created, 2 existing, 0 rejected", out)
        out, _ = self.ctl("--json", "list", "--all")
        self.assertEqual(len(out.splitlines()), 11999)

    def test_follow_and_wait_survive_a_crash_of_the_daemon(self):
        self.start_daemon()
        for number in range(40):
            self.sandbox.set(f"f-{number}", script=[{"after": f"{number * 150}ms", "status": "completed"}])
        self.sandbox.set("last", script=[{"after": "7s", "status": "failed"}])
        follower = self.spawn("--json", "events", "--follow", "--after", "0", "--limit", "41")
        self.daemon.track("last")
        waiting = self.spawn("wait", "last", "--timeout", "60s")
        for number in range(40):
            self.daemon.track(f"f-{number}")
        for _ in range(3):
            wait_until(lambda: self.daemon.status()["events"]["last_seq"] > 3, 20, "events")
            self.daemon.kill()
            self.daemon.start()
        out, err = follower.communicate(timeout=60)
        self.assertEqual(follower.returncode, 0, err)
        seen = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([event["seq"] for event in seen], list(range(1, 42)))
        log, _ = self.ctl("--json", "events", "--after", "0")
        self.assertEqual(out.splitlines(), log.splitlines(), "the same bytes by stream and by page")
        waiting.communicate(timeout=60)
        self.assertEqual(waiting.returncode, 2)

    @about_sqlite("PostgreSQL's own tools make its backups")
    def test_a_backup_is_a_whole_database(self):
        self.start_daemon()
        self.ctl("import", "-", stdin="".join(f"b-{number}\n" for number in range(3000)))
        copy = self.folder / "copy.db"
        self.ctl("backup", str(copy))
        self.ctl("backup", str(copy), expect=1)
        self.assertEqual(copy.stat().st_mode & 0o777, 0o600)
        with sqlite3.connect(copy) as database:
            self.assertEqual(database.execute("PRAGMA quick_check").fetchone(), ("ok",))
        self.daemon.stop()
        self.ctl("status", expect=69)


if __name__ == "__main__":
    unittest.main()
