#!/usr/bin/env python3
"""One daemon on a real PostgreSQL: its whole life, its name, an outage, a database that was set back, and connections
that are cut right at a COMMIT. What several do together is cluster_test.py's. Skipped without PostgreSQL's programs."""

import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import SLACK, Daemon, SystemCase, program, wait_until
from postgres_server import MISSING, PROGRAMS, CommitCutter, PostgresServer, free_port
from tls_parts import issue

PASSWORD = "pass word'\\ with odd characters"
LEASE = 4.0  # seconds after a heartbeat in which nobody takes the node for gone


@unittest.skipUnless(PROGRAMS, MISSING)
class OnPostgres(SystemCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PostgresServer(free_port(), trust=False)
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()
        quoted = PASSWORD.replace("'", "''")
        cls.server.sql(f"CREATE ROLE prooftrackd LOGIN PASSWORD '{quoted}'")
        cls.databases = 0

    def setUp(self):
        super().setUp()
        type(self).databases += 1
        self.database = f"db{self.databases}"
        self.server.sql(f"CREATE DATABASE {self.database} OWNER prooftrackd")
        self.start_sandbox("--accept-any")
        self.receiver = self.start_receiver()

    def url(self, port=None):
        return f"postgresql://prooftrackd@127.0.0.1:{port or self.server.port}/{self.database}"

    def store(self, port=None, password=PASSWORD):
        return {"url": self.url(port), "password_file": self.write_secret("password", [password])}

    def make(self, **store):
        daemon = self.make_daemon([self.callback(self.receiver)])
        del daemon.config["store"]["path"]
        daemon.config["store"].update(store or self.store())
        return daemon

    def another(self, of, **sections):
        """A second daemon on the same database, with a folder of its own."""
        folder = self.folder / "second"
        folder.mkdir(exist_ok=True)
        daemon = Daemon(folder, {**of.config, "api": {"socket": str(folder / "api.sock")}, **sections})
        self.addCleanup(self.finish_daemon, daemon)
        return daemon

    def refused(self, daemon):
        """What a start that ends with 75 says."""
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(30), 75, daemon.process.output())
        return daemon.logged("store.error")[-1]["error"]

    def rows(self, sql):
        return self.server.sql(sql, self.database)

    def settle(self, daemon, identifier):
        self.sandbox.set(identifier, status="completed")
        daemon.wait_state(identifier, "settled")
        wait_until(lambda: self.receiver.of(identifier), 20, f"the callback of {identifier}")

    def test_a_transaction_is_followed_to_its_end_over_a_crash(self):
        daemon = self.make().start()
        daemon.track("00112233-4455-6677-8899-aabbccddeeff", metadata={"order": "7"})
        daemon.import_ids([f"id{n}" for n in range(300)])
        self.settle(daemon, "00112233-4455-6677-8899-aabbccddeeff")
        daemon.kill()
        daemon.start()
        self.settle(daemon, "id7")
        status = daemon.status()
        self.assertEqual(status["transactions"]["by_state"], {**status["transactions"]["by_state"], "settled": 2})
        self.assertGreater(status["store"]["bytes"], 0)
        self.assertEqual(status["store"]["free_bytes"], 0, "not known")
        events = daemon.events()
        self.assertEqual([e["seq"] for e in events], list(range(1, len(events) + 1)))
        found = daemon.api("GET", "/v1/transactions?metadata.order=7").json["transactions"]
        self.assertEqual([t["merchant_transaction_id"] for t in found], ["00112233-4455-6677-8899-aabbccddeeff"])
        self.assertEqual(self.rows("SELECT state, convert_from(decode(proof, 'escape'), 'UTF8') LIKE '%completed%' "
                                   "FROM v_transactions WHERE merchant_transaction_id LIKE '0011%'"), "settled|t")
        ctl = [program("prooftrackctl"), "--socket", daemon.socket]
        export = subprocess.run([*ctl, "export", "transactions"], capture_output=True, text=True, timeout=60)
        self.assertEqual(export.returncode, 0, export.stderr)
        self.assertEqual(export.stdout.count("\n"), 302, "a head and a line each")
        backup = subprocess.run([*ctl, "backup", str(self.folder / "copy")], capture_output=True, text=True, timeout=60)
        self.assertNotEqual(backup.returncode, 0)
        self.assertIn("pg_dump", backup.stderr)
        doctor = subprocess.run([*ctl, "status"], capture_output=True, text=True, timeout=60)
        self.assertEqual(doctor.returncode, 0, doctor.stderr)
        self.assertEqual(daemon.stop(), 0)

    def ready(self, daemon, timeout=10):
        wait_until(lambda: daemon.api("GET", "/readyz").status == 200, timeout + SLACK, "ready")

    def test_a_second_daemon_needs_a_name_of_its_own(self):
        first = self.make().start()
        first.track("a")
        host = socket.gethostname()
        joined = wait_until(lambda: first.status().get("cluster"), 10, "it has joined")
        self.assertEqual(joined["node"], host)
        why = self.refused(self.another(first))
        for part in (f"cluster.node '{host}' is living", f"pid {first.process.pid}", "a cluster.node of its own"):
            self.assertIn(part, why)
        second = self.another(first, cluster={"node": "second"}).start()
        self.assertEqual(second.get("a")["state"], "tracking")
        second.track("b")
        self.assertEqual(first.get("b")["state"], "tracking")
        for daemon in (first, second):
            wait_until(lambda: {one["id"]: one["state"] for one in daemon.status().get("cluster", {}).get("nodes", [])}
                       == {host: "living", "second": "living"}, 10, "two nodes")
        self.settle(first, "b")

    def test_a_killed_daemon_starts_again_at_once(self):
        daemon = self.make().start()
        daemon.import_ids([f"id{n}" for n in range(50)])
        for n in range(3):
            daemon.kill()
            began = time.monotonic()
            daemon.start()
            self.ready(daemon)
            self.settle(daemon, f"id{n}")
            self.assertLess(time.monotonic() - began, LEASE, "it does not wait for its own old lease")
        self.assertEqual([one["state"] for one in daemon.status()["cluster"]["nodes"]], ["living"])
        self.assertFalse(daemon.logged("store.error"))

    def test_a_daemon_that_slept_alone_goes_on(self):
        daemon = self.make().start()
        daemon.track("a")
        daemon.process.signal(signal.SIGSTOP)
        try:
            wait_until(lambda: self.rows("SELECT expires_at < clock_timestamp() FROM nodes") == "t", 12, "its end")
            self.sandbox.set("a", status="completed")
        finally:
            daemon.process.signal(signal.SIGCONT)
        daemon.wait_state("a", "settled")
        wait_until(lambda: self.receiver.of("a"), 10, "its callback")
        self.ready(daemon)
        self.assertFalse(daemon.logged("cluster.fenced"), "nobody took its place")

    def test_a_daemon_whose_name_was_taken_while_it_slept_waits_for_it(self):
        first = self.make().start()
        first.track("a")
        first.process.signal(signal.SIGSTOP)
        try:
            second = self.another(first).start()  # when the lease of the first has run out
            second.track("b")
        finally:
            first.process.signal(signal.SIGCONT)
        why = first.wait_log("cluster.fenced", 2)[-1]["error"]
        self.assertIn(f"pid {second.process.pid}", why, "it cannot join: the name lives")
        refused = first.api("POST", "/v1/transactions", {"merchant_transaction_id": "c"})
        self.assert_problem(refused, 503, "store_unavailable")
        self.assertEqual(first.api("GET", "/readyz").status, 503)
        self.settle(second, "b")
        self.assertEqual(self.rows("SELECT count(*) FROM transactions"), "2")
        self.assertEqual(second.stop(), 0)
        self.ready(first)
        self.settle(first, "a")
        self.assertEqual(first.get("b")["state"], "settled")
        self.assertEqual(len(self.receiver.of("b")), 1, "by the one that was awake")

    def test_a_start_that_cannot_be_says_why(self):
        daemon = self.make(**self.store(password="wrong"))
        self.assertIn("password", self.refused(daemon))
        self.assertNotIn("wrong", daemon.process.output())
        daemon.config["store"] = {**self.store(), "url": self.url(free_port())}
        self.assertIn("PostgreSQL cannot be reached", self.refused(daemon))
        cutter = CommitCutter(self.server.port)
        self.addCleanup(cutter.close)
        cutter.poses_as_pooler = True
        daemon.config["store"] = self.store(cutter.port)
        self.assertIn("connection pooler", self.refused(daemon))
        self.assertEqual(self.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0")
        self.rows("CREATE TABLE orders (id BIGINT)")
        daemon.config["store"] = self.store()
        self.assertIn("holds tables of another program", self.refused(daemon))
        daemon.config["store"]["path"] = "/tmp/x.db"
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(30), 78)
        self.assertIn("store.path", daemon.process.output())

    def test_an_outage_refuses_work_and_is_over_by_itself(self):
        daemon = self.make().start()
        daemon.import_ids([f"id{n}" for n in range(50)])
        self.settle(daemon, "id1")
        self.server.stop()
        try:
            refused = wait_until(lambda: (lambda r: r if r.status == 503 else None)(
                daemon.api("POST", "/v1/transactions", {"merchant_transaction_id": "refused"})), 20, "a refusal")
            self.assert_problem(refused, 503, "store_unavailable")
            self.assertIn("PostgreSQL cannot be reached", refused.json["detail"])
            wait_until(lambda: daemon.api("GET", "/readyz").status == 503, 10, "not ready")
            self.assertEqual(daemon.api("GET", "/healthz").status, 200)
            self.sandbox.set("id2", status="completed")
            time.sleep(1.5)  # several polls see the end, which cannot be recorded
            self.assertFalse(self.receiver.of("id2"), "nothing is told that is not recorded")
        finally:
            self.server.start()
        wait_until(lambda: daemon.api("GET", "/readyz").status == 200, 30, "ready again")
        daemon.wait_state("id2", "settled", 30)
        wait_until(lambda: self.receiver.of("id2"), 30, "its callback")
        self.assertEqual(daemon.api("GET", "/v1/transactions/refused").status, 404)
        daemon.track("refused")
        self.assertTrue(daemon.logged("store.error"))
        self.assertTrue(daemon.logged("store.recovered"))
        self.server.stop()
        try:
            self.assertEqual(daemon.stop(), 0, "a stop does not wait for it")
        finally:
            self.server.start()

    def test_the_servers_certificate_is_verified(self):
        pair = issue(self.sandbox, self.folder, "server")
        secured = ["-c", "ssl=on", "-c", f"ssl_cert_file={self.server.place(pair.certificate, 'server.pem')}",
                   "-c", f"ssl_key_file={self.server.place(pair.key, 'server.key')}"]
        self.server.stop()
        self.server.start(*secured)
        try:
            dead = free_port()
            hosts = f"postgresql://prooftrackd@127.0.0.1:{dead},127.0.0.1:{self.server.port}/{self.database}"
            daemon = self.make(**{**self.store(), "url": hosts + "?sslmode=verify-full"})
            self.assertIn("certificate verify failed", self.refused(daemon))
            daemon.config["store"]["url"] += f"&sslrootcert={self.sandbox.ca_file}"
            daemon.start()
            daemon.track("a")
            self.assertEqual(self.rows("SELECT bool_and(ssl), count(*) FROM pg_stat_ssl "
                                       "JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'prooftrackd %'"),
                             "t|2", "its work and its lease")
            self.assertEqual(daemon.stop(), 0)
        finally:
            self.server.stop()
            self.server.start()

    def test_a_commit_whose_answer_is_lost_is_neither_forgotten_nor_repeated(self):
        cutter = CommitCutter(self.server.port)
        self.addCleanup(cutter.close)
        daemon = self.make(**self.store(cutter.port)).start()
        accepted, stop = set(), threading.Event()

        def keep_adding():
            number = 0
            while not stop.is_set():
                number += 1
                reply = daemon.api("POST", "/v1/transactions", {"merchant_transaction_id": f"id{number}"})
                if reply.status == 201:
                    accepted.add(f"id{number}")
                time.sleep(0.005)
        adding = threading.Thread(target=keep_adding)
        adding.start()
        try:
            for n in range(6):
                before = len(accepted)
                cutter.armed = "after" if n % 2 else "before"
                wait_until(lambda: cutter.cuts == n + 1 and len(accepted) > before + 3, 30, "it goes on")
        finally:
            stop.set()
            adding.join()
        there = set(self.rows("SELECT id FROM transactions").split())
        self.assertLessEqual(accepted, there, "what was acknowledged is there")
        self.assertEqual(int(self.rows("SELECT sum(number) FROM transaction_counts")), len(there))
        self.settle(daemon, sorted(accepted)[-1])
        events = daemon.events()
        self.assertEqual([e["seq"] for e in events], list(range(1, len(events) + 1)))

    def test_a_commit_that_is_fenced_writes_nothing_and_the_daemon_joins_again(self):
        daemon = self.make().start()
        daemon.track("a")
        self.rows("UPDATE writers SET boot = ''")  # as those do who take it for gone
        refused = daemon.api("POST", "/v1/transactions", {"merchant_transaction_id": "b"})
        self.assert_problem(refused, 503, "store_unavailable")
        self.assertEqual(self.rows("SELECT count(*) FROM transactions"), "1")
        daemon.wait_log("cluster.fenced")
        self.ready(daemon)
        daemon.track("b")
        self.settle(daemon, "a")
        self.assertEqual(daemon.stop(), 0)

    def test_a_database_that_was_set_back_is_noticed(self):
        daemon = self.make().start()
        daemon.track("a")
        log_id = daemon.api("GET", "/v1/events").json["log_id"]
        self.server.stop()
        self.server.remember()
        self.server.start()
        self.ready(daemon)
        daemon.track("b")
        self.server.stop()
        self.server.go_back()
        self.server.start()
        self.assertEqual(daemon.process.wait(30), 74, daemon.process.output()[-3000:])
        (said,) = daemon.logged("store.rewound")
        self.assertIn("set back to an earlier state", said["error"])
        daemon.start()
        self.assertNotEqual(daemon.api("GET", "/v1/events").json["log_id"], log_id)
        self.assertEqual(daemon.api("GET", "/v1/transactions/b").status, 404)
        daemon.track("b")
        self.settle(daemon, "a")


if __name__ == "__main__":
    unittest.main()
