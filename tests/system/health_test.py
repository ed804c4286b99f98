#!/usr/bin/env python3
"""Proof's health is one thing: pauses, refusals and outages slow everybody down, and nobody is lost."""

import time
import unittest

from harness import SystemCase, wait_until


class Health(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")

    def health(self):
        return self.daemon.status()["proof"]["health"]

    def test_429_pauses_everybody(self):
        self.start_daemon([])
        self.daemon.import_ids([f"r{n}" for n in range(50)])
        wait_until(lambda: len(self.sandbox.log()) > 100, 10, "polls")
        self.sandbox.fault("status", status=429, retry_after="3s", count=1)
        wait_until(lambda: self.health() == "throttled", 5, "throttled")
        time.sleep(0.5)
        asked = len(self.sandbox.log())
        time.sleep(1.5)
        self.assertLessEqual(len(self.sandbox.log()) - asked, 1)
        wait_until(lambda: len(self.sandbox.log()) > asked + 20, 10, "polls go on")
        wait_until(lambda: self.health() == "ok", 20, "ok again")
        self.assertTrue(self.daemon.logged("proof.throttled"))

    def test_a_refused_token_stops_all_but_a_probe_until_it_changes(self):
        self.start_daemon([], poll={"probe_interval": "2s"})
        self.daemon.import_ids([f"t{n}" for n in range(30)])
        wait_until(lambda: len(self.sandbox.log()) > 60, 10, "polls")
        right = self.sandbox.token
        token_file = self.folder / "token"
        token_file.write_text("wrong")
        token_file.chmod(0o600)
        self.daemon.config["proof"]["token_file"] = str(token_file)
        self.daemon.stop()
        self.daemon.start()
        wait_until(lambda: self.health() == "unauthorized", 10, "unauthorized")
        time.sleep(0.5)
        asked = len(self.sandbox.log())
        time.sleep(4)
        self.assertLessEqual(len(self.sandbox.log()) - asked, 4, "only probes")
        self.assertEqual(self.daemon.get("t1")["state"], "tracking")
        token_file.write_text(right + "\n")
        wait_until(lambda: self.health() == "ok", 3, "a changed token file is used within 2 s")
        self.assertTrue(self.daemon.logged("proof.unauthorized"))
        self.assertNotIn(right, self.daemon.process.output())

    def test_403_stops_all_but_a_probe(self):
        self.start_daemon([], poll={"probe_interval": "1s"})
        self.daemon.import_ids([f"f{n}" for n in range(30)])
        self.sandbox.fault("status", status=403)
        wait_until(lambda: self.health() == "forbidden", 10, "forbidden")
        time.sleep(0.5)
        asked = len(self.sandbox.log())
        time.sleep(3)
        self.assertLessEqual(len(self.sandbox.log()) - asked, 6)
        self.sandbox.clear_faults()
        wait_until(lambda: self.health() == "ok", 5, "ok again")

    def test_an_outage_is_survived_without_a_herd(self):
        self.start_daemon([], poll={"interval": ["1s", "2s"]})
        self.daemon.import_ids([f"o{n}" for n in range(300)])
        wait_until(lambda: len(self.sandbox.log()) > 400, 15, "polls")
        self.sandbox.process.kill()
        wait_until(lambda: self.health() == "unreachable", 15, "unreachable")
        lines = len(self.daemon.logged("poll.error"))
        time.sleep(3)
        self.assertLess(len(self.daemon.logged("poll.error")) - lines, 30, "the outage is not logged once a poll")
        self.sandbox.start()
        began = time.time()
        wait_until(lambda: self.health() == "ok", 35, "ok again")
        wait_until(lambda: len({e["path"] for e in self.sandbox.log()}) == 300, 15, "everybody was asked again")
        per_second = {}
        for entry in self.sandbox.log():
            per_second[entry["at"][:19]] = per_second.get(entry["at"][:19], 0) + 1
        self.assertLess(max(per_second.values()), 450, f"{per_second} since {began}")
        self.assertTrue(self.daemon.logged("proof.recovered"))
        for identifier in ("o1", "o299"):
            self.assertEqual(self.daemon.get(identifier)["state"], "tracking")

    def test_a_stale_connection_is_no_error(self):
        self.start_daemon([], poll={"interval": ["300ms", "400ms"]})
        self.daemon.track("stale")
        wait_until(lambda: len(self.sandbox.polls("stale")) > 2, 10, "polls")
        for _ in range(3):
            self.sandbox.fault("close", at="after", count=1)
            time.sleep(1)
        self.assertFalse(self.daemon.logged("poll.error"))

    def test_many_400s_at_once_are_proofs_trouble(self):
        self.start_daemon([], poll={"backoff": ["200ms", "400ms"]})
        self.daemon.import_ids([f"m{n}" for n in range(40)])
        wait_until(lambda: len(self.sandbox.log()) > 100, 10, "polls")
        self.sandbox.fault("status", status=400)
        time.sleep(3)
        states = {self.daemon.get(f"m{n}")["state"] for n in range(40)}
        self.sandbox.clear_faults()
        self.assertIn("tracking", states)
        rejected = self.daemon.api("GET", "/v1/transactions?state=rejected&limit=1000").json["transactions"]
        self.assertLess(len(rejected), 20, "a proxy release must not end every pending id")


class Certificates(SystemCase):
    """A Proof that cannot prove who it is gets neither a request nor the token."""

    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")

    def refuse(self, message, **proof):
        daemon = self.start_daemon([], proof=proof)
        daemon.track("c")
        wait_until(lambda: daemon.get("c")["last_error"], 10, "an error")
        self.assertRegex(daemon.get("c")["last_error"].lower(), message)
        self.assertEqual(self.sandbox.log(), [])
        self.assertEqual(daemon.get("c")["state"], "tracking")

    def test_another_authority(self):
        other = self.start_sandbox(name="other")
        self.refuse("certificate|verify", ca_file=other.ca_file)

    def test_another_host(self):
        # The certificate names 127.0.0.1, not every address of the loopback.
        port = self.sandbox.base_url.rsplit(":", 1)[1]
        wide = self.start_sandbox("--accept-any", name="wide")
        wide.process.stop()
        wide.listen = "0.0.0.0:0"
        wide.start()
        self.sandbox = wide
        self.assertTrue(port)
        self.refuse("certificate|verify|host", base_url="https://127.0.0.2:" + wide.base_url.rsplit(":", 1)[1],
                    ca_file=wide.ca_file)

    def test_plain_http_on_a_tls_port(self):
        self.refuse(".", base_url=self.sandbox.base_url.replace("https", "http"))


if __name__ == "__main__":
    unittest.main()
