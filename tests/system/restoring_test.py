#!/usr/bin/env python3
"""daemon/docs/restoring.md and the messages that lead there, followed to the letter."""

import http.client
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from harness import ROOT, SystemCase, program, wait_until
from store_switch import about_sqlite

DOCUMENT = (ROOT / "daemon" / "docs" / "restoring.md").read_text()


@about_sqlite("its file is copied, moved and damaged")
class Restoring(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.receiver = self.start_receiver()
        self.database = self.folder / "state" / "prooftrackd.db"
        self.saved = self.folder / "saved.db"

    def ctl(self, *arguments):
        return subprocess.run([program("prooftrackctl"), "--socket", self.daemon.socket, *arguments],
                              capture_output=True, text=True, timeout=30)

    def back_up(self):
        done = self.ctl("backup", str(self.saved))
        self.assertEqual(done.returncode, 0, done.stderr)

    def complete(self, identifier):
        self.sandbox.set(identifier, status="completed")
        self.daemon.wait_state(identifier, "settled")

    def told(self, identifier):
        return [d.event for d in self.receiver.of(identifier) if d.event["type"] == "transaction.completed"]

    def delivered_all(self):
        wait_until(lambda: not self.daemon.api("GET", "/v1/deliveries?state=pending").json["deliveries"], 10,
                   "nothing pending")

    def refusal(self, status):
        """The daemon does not start; what it says."""
        self.daemon.start(wait=False)
        self.assertEqual(self.daemon.process.wait(30), status)
        message = self.daemon.logged("store.error")[-1]["error"]
        self.assertIn(str(self.database), message)
        return message

    def follow(self, message):
        """Runs the commands that a message has in it."""
        commands = re.findall(r"\b((?:mv|cp|chmod) [^;:,)]+?)(?= if it is there|[;:,)]|$)", message)
        self.assertGreaterEqual(len(commands), 3, message)
        for command in commands:
            subprocess.run(["sh", "-c", command.replace("BACKUP", str(self.saved))], check=not command.endswith("-wal"),
                           capture_output=True)

    def test_what_a_restored_backup_knows_and_what_comes_again(self):
        daemon = self.start_daemon([self.callback(self.receiver)])
        daemon.track("ended-before")
        self.complete("ended-before")
        daemon.track("ended-since")
        daemon.track("untracked-since")
        self.assertEqual(daemon.api("PUT", "/v1/consumers/books").status, 201)
        self.delivered_all()
        self.back_up()
        daemon.track("added-since")
        self.complete("ended-since")
        self.complete("added-since")
        self.assertEqual(daemon.api("DELETE", "/v1/transactions/untracked-since").status, 200)
        self.assertEqual(daemon.api("POST", "/v1/consumers/books/ack", {"seq": 3}).status, 200)
        self.delivered_all()
        log_id = daemon.status()["events"]["log_id"]
        self.assertEqual(daemon.stop(), 0)

        self.database.rename(f"{self.database}.before")
        self.assertFalse(Path(f"{self.database}-wal").exists())
        shutil.copyfile(self.saved, self.database)
        self.database.chmod(0o600)
        daemon.start()
        self.assertNotEqual(daemon.status()["events"]["log_id"], log_id)
        self.assertEqual(daemon.api("GET", "/v1/transactions/added-since").status, 404)
        self.assertEqual(daemon.get("untracked-since")["state"], "tracking")
        self.assertEqual(daemon.api("GET", "/v1/consumers").json["consumers"][0]["seq"], 1)
        self.assert_problem(daemon.api("GET", "/v1/events?after=99"), 410, "cursor_gone")

        ids = self.folder / "ids"
        ids.write_text("ended-before\nended-since\nadded-since\n")
        self.assertEqual(self.ctl("import", str(ids)).returncode, 0)
        for identifier in ("ended-since", "added-since"):
            first, second = wait_until(lambda: (lambda found: found if len(found) == 2
                                                else None)(self.told(identifier)), 10, "told again")
            self.assertNotEqual(first["id"], second["id"])
            self.assertLess(first["timestamp"], second["timestamp"])
            sequences = [int(delivery.headers["webhook-sequence"]) for delivery in self.receiver.of(identifier)]
            self.assertEqual(sequences, sorted(set(sequences)), "it goes on increasing")
        self.assertEqual(len(self.told("ended-before")), 1, "what had been delivered is not told again")

    @unittest.skipUnless(shutil.which("sqlite3"), "sqlite3 is needed")
    def test_what_the_moved_file_knows_comes_back_with_its_metadata(self):
        daemon = self.start_daemon([self.callback(self.receiver)])
        self.back_up()
        daemon.track("open-since", metadata={"order": "A-1"})
        daemon.track("settled-since", metadata={"order": "A-2"})
        daemon.track("untracked-since")
        self.complete("settled-since")
        self.assertEqual(daemon.api("DELETE", "/v1/transactions/untracked-since").status, 200)
        self.delivered_all()
        self.assertEqual(daemon.stop(), 0)
        self.database.rename(f"{self.database}.before")
        shutil.copyfile(self.saved, self.database)
        daemon.start()
        recipe = re.search(r'^ *(sqlite3 prooftrackd\.db\.before "SELECT.*?> ids-since-the-backup)$', DOCUMENT,
                           re.S | re.M).group(1)
        subprocess.run(["bash", "-ec", recipe], cwd=self.database.parent, check=True, timeout=20)
        done = self.ctl("import", str(self.database.parent / "ids-since-the-backup"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(daemon.get("open-since")["metadata"], {"order": "A-1"})
        daemon.wait_state("settled-since", "settled")
        self.assertEqual(daemon.get("settled-since")["metadata"], {"order": "A-2"})
        self.assertEqual(daemon.api("GET", "/v1/transactions/untracked-since").status, 404)

    def ends(self, status):
        self.assertEqual(self.daemon.process.wait(20), status)

    def test_a_file_that_is_moved_under_a_running_daemon(self):
        daemon = self.start_daemon([self.callback(self.receiver)])
        daemon.track("before")
        self.back_up()
        moved = Path(f"{self.database}.before")
        self.database.rename(moved)
        try:
            reply = daemon.api("POST", "/v1/transactions", {"merchant_transaction_id": "late"})
            self.assertNotIn(reply.status, (200, 201), "acknowledged into nowhere")
        except (OSError, http.client.HTTPException):
            pass
        self.ends(74)
        line = daemon.logged("store.moved")[-1]
        self.assertIn(str(self.database), line["error"])
        self.assertIn("prooftrackd.socket", line["advice"])
        self.assertFalse(Path(f"{self.database}-wal").exists(), "it would be taken for the next file's")
        self.refusal(75)
        self.assertFalse(self.database.exists(), "no empty one in its place")
        logs = set()
        for _ in range(2):
            shutil.copyfile(self.saved, self.database)
            self.database.chmod(0o600)
            daemon.start()
            logs.add(daemon.status()["events"]["log_id"])
            daemon.track("after")
            self.assertEqual(daemon.stop(), 0)
        self.assertEqual(len(logs), 2, "the same backup, restored twice")

    def test_an_idle_daemon_notices_too(self):
        self.start_daemon([self.callback(self.receiver)])
        self.database.unlink()
        self.ends(74)

    def test_the_message_about_a_damaged_database_leads_back(self):
        daemon = self.start_daemon([self.callback(self.receiver)])
        daemon.track("kept")
        self.complete("kept")
        self.back_up()
        self.assertEqual(daemon.stop(), 0)
        with open(self.database, "r+b") as file:
            file.write(b"this is no database")
        damaged = self.database.read_bytes()
        message = self.refusal(65)
        self.assertEqual(self.database.read_bytes(), damaged, "nothing was changed")
        self.follow(message)
        daemon.start()
        self.assertEqual(daemon.get("kept")["state"], "settled")
        self.assertEqual(Path(f"{self.database}.damaged").read_bytes(), damaged)

    def test_the_message_about_a_newer_schema_leads_back(self):
        daemon = self.start_daemon([self.callback(self.receiver)])
        daemon.track("kept")
        self.back_up()
        self.assertEqual(daemon.stop(), 0)
        # As an upgrade leaves it: the copy of before, and a schema that this program does not know.
        shutil.copyfile(self.saved, f"{self.database}.v5.bak")
        with open(self.database, "r+b") as file:
            file.seek(60)
            file.write((7).to_bytes(4, "big"))
        self.follow(self.refusal(65))
        daemon.start()
        self.assertEqual(daemon.get("kept")["state"], "tracking")
        self.assertTrue(Path(f"{self.database}.v7").exists())

    @unittest.skipUnless(shutil.which("sqlite3"), "sqlite3 is needed")
    def test_the_open_ids_of_a_damaged_file_can_be_saved(self):
        daemon = self.start_daemon()
        uuid = "550e8400-e29b-41d4-a716-446655440000"
        daemon.import_ids([f"open-{n:04}" for n in range(3000)] + [uuid])
        daemon.track("ended")
        self.complete("ended")
        self.assertEqual(daemon.stop(), 0)
        salvage = self.folder / "salvage"
        salvage.mkdir()
        with open(self.database, "r+b") as file:
            pages = file.seek(0, 2) // 4096
            file.seek(pages // 2 * 4096)
            file.write(b"\xff" * 8192)
        shutil.copyfile(self.database, salvage / "prooftrackd.db")
        (salvage / "open-ids.sql").write_text(re.search(r"```sql\n(.*?)```", DOCUMENT, re.S).group(1))
        recipe = re.search(r"^sqlite3 prooftrackd\.db \.dump.*?> open-ids$", DOCUMENT, re.S | re.M).group(0)
        subprocess.run(["bash", "-ec", recipe], cwd=salvage, check=True, capture_output=True, timeout=60)
        saved = (salvage / "open-ids").read_text().split()
        self.assertGreater(len(saved), 2000, "what stands on whole pages")
        self.assertNotIn("ended", saved)
        self.assertIn(uuid, saved, "a UUID is stored as bytes")
        self.database.rename(f"{self.database}.damaged")
        daemon.start()
        done = self.ctl("import", str(salvage / "open-ids"))
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
