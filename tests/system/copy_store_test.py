#!/usr/bin/env python3
"""A merchant moves from SQLite's file to PostgreSQL: --copy-store, --unmark-moved and --new-log-id with the real
programs. Skipped without PostgreSQL's programs."""

import shutil
import signal
import subprocess
import unittest

from harness import Daemon, SystemCase, program, wait_until
from postgres_server import MISSING, PROGRAMS, CommitCutter, PostgresServer, free_port

UUID = "00112233-4455-6677-8899-aabbccddeeff"


@unittest.skipUnless(PROGRAMS, MISSING)
class CopyStore(SystemCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PostgresServer(free_port())
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()
        cls.server.sql("CREATE ROLE prooftrackd LOGIN")
        cls.databases = 0

    def setUp(self):
        super().setUp()
        type(self).databases += 1
        self.database = f"db{self.databases}"
        self.server.sql(f"CREATE DATABASE {self.database} OWNER prooftrackd")
        self.start_sandbox("--accept-any")
        self.receiver = self.start_receiver()
        self.refusing = self.start_receiver(name="refusing")
        self.refusing.answer = lambda _: 500
        self.callbacks = [self.callback(self.receiver),
                          self.callback(self.refusing, "ledger", retry_schedule=["1s", "1s", "1s", "1s", "24h"])]
        self.old = self.make_daemon(self.callbacks)
        self.file = self.old.config["store"]["path"]
        self.new = self.another("new", {"url": self.url()})

    def url(self, port=None):
        return f"postgresql://prooftrackd@127.0.0.1:{port or self.server.port}/{self.database}"

    def another(self, name, store):
        folder = self.folder / name
        folder.mkdir()
        daemon = Daemon(folder, {**self.old.config, "store": store, "api": {"socket": str(folder / "api.sock")}})
        daemon.write_config()
        self.addCleanup(self.finish_daemon, daemon)
        return daemon

    def command(self, *arguments, expect=0):
        done = subprocess.run([program("prooftrackd"), *map(str, arguments)], capture_output=True, text=True,
                              timeout=120)
        self.assertEqual(done.returncode, expect, done)
        return done.stdout if expect == 0 else done.stderr

    def copy(self, expect=0, config=None):
        return self.command("--copy-store", self.file, "--config", config or self.new.config_path, expect=expect)

    def rows(self, sql):
        return self.server.sql(sql, self.database)

    def tables(self):
        return self.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")

    def refused_start(self, daemon, status):
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(30), status, daemon.process.output())
        return daemon.process.output()

    def settle(self, daemon, identifier):
        self.sandbox.set(identifier, status="completed")
        return daemon.wait_state(identifier, "settled")

    def log_of(self, daemon):
        return daemon.api("GET", "/v1/events").json["log_id"]

    def live_a_while(self, is_killed=False):
        """What the old daemon knew at its end."""
        self.old.start()
        self.old.import_ids([f"id{n}" for n in range(300)])
        self.old.track(UUID, metadata={"order": "7"})
        for identifier in (UUID, "id1", "id2"):
            self.settle(self.old, identifier)
        wait_until(lambda: len(self.old.events()) == 3, 20, "three events")
        self.assertEqual(self.old.api("PUT", "/v1/consumers/reader", {"seq": 0}).status, 201)
        self.assertEqual(self.old.api("POST", "/v1/consumers/reader/ack", {"seq": 2}).status, 200)
        wait_until(lambda: self.receiver.of("id2") and self.refusing.of("id2"), 20, "the first attempts")
        known = self.knowledge(self.old)
        if is_killed:
            self.old.kill()  # all that it did is still in the write-ahead log
        else:
            self.assertEqual(self.old.stop(), 0)
        return known

    def knowledge(self, daemon):
        def stable(transaction):
            return {key: transaction[key] for key in ("merchant_transaction_id", "state", "status", "metadata",
                                                      "tracked_at", "settled_at", "history") if key in transaction}
        return {"log": self.log_of(daemon), "events": daemon.events(),
                "consumers": daemon.api("GET", "/v1/consumers").json,
                "ids": {t["merchant_transaction_id"]: t["tracked_at"] for t in daemon.all_transactions()},
                "seen": stable(daemon.get(UUID))}

    def test_everything_goes_on_in_postgresql(self):
        before = self.live_a_while(is_killed=True)
        said = self.copy()
        self.assertIn("301 transactions, 3 events and 6 deliveries", said)
        self.assertIn(before["log"], said)
        attempts = {delivery.headers["webhook-id"] for delivery in self.refusing.of("id2")}
        self.refusing.answer = lambda _: 204
        self.new.start()
        after = self.knowledge(self.new)
        self.assertEqual(after, before)
        wait_until(lambda: self.new.api("GET", "/v1/deliveries?state=pending").json["deliveries"] == [], 30,
                   "what was pending is delivered")
        self.assertEqual({delivery.headers["webhook-id"] for delivery in self.refusing.of("id2")}, attempts)
        self.assertEqual(len(self.receiver.of("id2")), 1, "what was delivered is not delivered again")
        self.settle(self.new, "id3")
        wait_until(lambda: self.receiver.of("id3"), 20, "its callback")
        page = self.new.api("GET", "/v1/events?after=2").json
        self.assertEqual([event["seq"] for event in page["events"]], [3, 4], "a reader notices nothing")
        found = self.new.api("GET", "/v1/transactions?metadata.order=7").json["transactions"]
        self.assertEqual([t["merchant_transaction_id"] for t in found], [UUID])
        self.assertEqual(self.new.track("later")["state"], "tracking")
        self.assertEqual(self.new.stop(), 0)

    def test_the_old_file_is_out_of_use_until_it_is_unmarked(self):
        before = self.live_a_while()
        self.copy()
        said = self.refused_start(self.old, 65)
        self.assertIn(f"{self.database} on 127.0.0.1:{self.server.port}", said)
        self.assertIn("--unmark-moved", said)
        self.assertIn("was copied before", self.copy(expect=1))
        self.assertIn(f"{self.database} on", self.command("--unmark-moved", self.file))
        self.assertIn("not marked", self.command("--unmark-moved", self.file))
        self.assertIn("another database, or of", self.copy(expect=1))
        self.old.start()
        after = self.knowledge(self.old)
        self.assertNotEqual(after["log"], before["log"])
        self.assertEqual(after["events"], before["events"])
        self.assertIn("in use by another prooftrackd", self.copy(expect=75))
        self.assertIn("in use by another prooftrackd", self.command("--unmark-moved", self.file, expect=75))

    def test_a_copy_that_is_killed_leaves_nothing(self):
        self.live_a_while()
        self.rows("""CREATE FUNCTION wait_long() RETURNS event_trigger LANGUAGE plpgsql AS $$
            BEGIN IF current_query() LIKE 'COMMENT ON TABLE counters%' THEN PERFORM pg_sleep(100); END IF; END $$;
            CREATE EVENT TRIGGER wait_long ON ddl_command_end WHEN TAG IN ('COMMENT') EXECUTE FUNCTION wait_long()""")
        copying = subprocess.Popen([program("prooftrackd"), "--copy-store", self.file, "--config",
                                    str(self.new.config_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(copying.wait)
        self.addCleanup(copying.kill)
        at_work = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'prooftrackd copy'"
        waits = at_work + " AND query LIKE 'COMMENT ON TABLE counters%' AND wait_event = 'PgSleep'"
        wait_until(lambda: self.rows(waits) == "1", 60, "everything is copied, and not committed")
        copying.send_signal(signal.SIGKILL)
        copying.wait(10)
        wait_until(lambda: self.rows(at_work) == "0", 30, "PostgreSQL notices")
        self.assertEqual(self.tables(), "0")
        self.rows("DROP EVENT TRIGGER wait_long")
        self.old.start()  # the file is as it was
        self.old.track("since")
        self.assertEqual(self.old.stop(), 0)
        self.assertIn("302 transactions", self.copy())

    def test_a_commit_whose_answer_is_lost_is_found_by_the_next_attempt(self):
        before = self.live_a_while()
        cutter = CommitCutter(self.server.port)
        self.addCleanup(cutter.close)
        through = self.another("through", {"url": self.url(cutter.port)}).config_path
        cutter.armed = "before"
        self.assertIn("the same command again", self.copy(75, through))
        wait_until(lambda: self.tables() == "0", 30, "nothing is there")
        cutter.armed = "after"
        self.assertIn("the same command again", self.copy(75, through))
        wait_until(lambda: self.tables() != "0", 30, "everything is there")
        self.assertIn("an earlier copy", self.copy())
        self.assertIn("--unmark-moved", self.refused_start(self.old, 65))
        self.new.start()
        self.assertEqual(self.knowledge(self.new)["events"], before["events"])

    def test_what_cannot_be_copied_is_refused(self):
        self.live_a_while()
        self.rows("CREATE TABLE orders (id BIGINT)")
        self.assertIn("tables of another program", self.copy(expect=1))
        self.rows("DROP TABLE orders")
        self.assertIn("store.url", self.copy(78, self.old.config_path))
        self.new.config["store"]["url"] = self.url(free_port())
        self.new.write_config()
        self.assertIn("PostgreSQL cannot be reached", self.copy(expect=75))
        self.new.config["store"]["url"] = self.url()
        self.new.start()
        self.assertIn("nothing was changed", self.copy(expect=75))
        self.new.track("a")
        self.assertEqual(self.new.stop(), 0)
        self.assertIn("holds data of prooftrackd already", self.copy(expect=1))
        self.assertEqual(self.rows("SELECT count(*) FROM transactions"), "1")
        shutil.copy(self.file, self.folder / "other.db")
        self.file = self.folder / "missing.db"
        self.assertIn("no such file", self.copy(expect=64))
        self.file = self.folder / "other.db"
        whole = self.file.read_bytes()
        self.file.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
        self.assertIn("damaged", self.copy(expect=65))
        self.assertEqual(self.rows("SELECT count(*) FROM transactions"), "1")

    def test_a_restored_log_gets_another_name(self):
        self.assertIn("no tables of prooftrackd", self.command("--new-log-id", "--config", self.new.config_path,
                                                               expect=1))
        self.old.write_config()
        self.assertIn("restoring.md", self.command("--new-log-id", "--config", self.old.config_path, expect=78))
        self.new.start()
        former = self.log_of(self.new)
        self.assertIn("nothing was changed", self.command("--new-log-id", "--config", self.new.config_path, expect=75))
        self.assertEqual(self.log_of(self.new), former)
        self.assertEqual(self.new.stop(), 0)
        said = self.command("--new-log-id", "--config", self.new.config_path)
        self.new.start()
        now = self.log_of(self.new)
        self.assertEqual(said, f"the log was {former} and is {now} now\n")
        self.assertNotEqual(now, former)


if __name__ == "__main__":
    unittest.main()
