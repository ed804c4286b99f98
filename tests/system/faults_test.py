#!/usr/bin/env python3
"""Proof's worst days: whatever it answers, or does not, nothing is lost, invented or hammered."""

import time
import unittest

from harness import SLACK, SystemCase, wait_until


class OneTransaction(SystemCase):
    """Each fault strikes one id; afterwards it still ends rightly."""

    def setUp(self):
        super().setUp()
        self.start_sandbox()
        self.start_daemon([], proof={"request_timeout": "1s", "max_reply_bytes": 65536})

    def survive(self, name, **fault):
        self.sandbox.set(name, status="pending")
        path = f"/widget/transactions/{name}"
        self.sandbox.fault(path=path, **fault)
        self.daemon.track(name)
        wait_until(lambda: len(self.sandbox.polls(name)) >= 2, 20, "asked again")
        shown = self.daemon.get(name)
        self.assertEqual(shown["state"], "tracking", fault)
        self.assertIsNone(shown["status"], fault)
        self.sandbox.clear_faults()
        self.sandbox.set(name, status="completed")
        shown = self.daemon.wait_state(name, "settled", 20)
        self.assertEqual(shown["status"], "completed")
        self.assertIsNone(shown["last_error"])
        self.assertEqual(shown["consecutive_errors"], 0)

    def test_close(self):
        self.survive("close", kind="close")

    def test_close_in_the_header(self):
        self.survive("close-header", kind="close", at="header")

    def test_truncate(self):
        self.survive("truncate", kind="truncate")

    def test_garbage(self):
        self.survive("garbage", kind="garbage")

    def test_wrong_id_completed(self):
        self.survive("wrong-id", kind="wrong_id")

    def test_huge(self):
        self.survive("huge", kind="huge", size=70_000)

    def test_stall(self):
        self.survive("stall", kind="stall")

    def test_silence(self):
        self.survive("silence", kind="stall", at="before")

    def test_slow_drip(self):
        self.survive("drip", kind="drip", delay="20ms")

    def test_endless_header(self):
        self.survive("endless", kind="endless_header")

    def test_late(self):
        self.survive("late", kind="delay", delay="3s")

    def test_statuses_without_meaning(self):
        for status in (201, 204, 304, 301, 307, 402, 409, 418, 422, 500, 502, 503):
            self.survive(f"status-{status}", kind="status", status=status,
                         body='{"merchant_transaction_id":"status-%d","status":"completed"}' % status,
                         headers={"Location": self.sandbox.base_url + "/elsewhere"})
        self.assertFalse([e for e in self.sandbox.log() if "elsewhere" in e["path"]], "redirects are never followed")

    def test_good_status_bad_body(self):
        good = '{"merchant_transaction_id":"%s","status":"completed"}'
        for name, body, kind in (("html", "<html>completed</html>", "text/html"), ("empty", "", "application/json"),
                                 ("array", '["completed"]', "application/json"), ("trailing", good + " x", "application/json"),
                                 ("twice", '{"merchant_transaction_id":"%s","status":"failed","status":"completed"}', "application/json"),
                                 ("no-id", '{"status":"completed"}', "application/json"),
                                 ("type", good, "text/plain"), ("number", '{"merchant_transaction_id":"%s","status":1}', "application/json")):
            body = body % f"body-{name}" if "%s" in body else body
            self.survive(f"body-{name}", kind="status", status=200, body=body, headers={"Content-Type": kind})
        self.survive("encoded", kind="status", status=200, body=good % "encoded", headers={"Content-Encoding": "gzip"})

    def test_words_are_matched_exactly(self):
        for word in ("Completed", "COMPLETED", "complete", "completed ", "paid", "on_hold"):
            name = f"word-{len(word)}-{word.strip()}"
            self.sandbox.set(name, status=word)
            self.daemon.track(name)
            wait_until(lambda: self.daemon.get(name)["status"] == word, 10, word)
            self.assertEqual(self.daemon.get(name)["state"], "tracking")
        self.assertTrue(self.daemon.logged("proof.unknown_status"))
        self.assertIn(b'status="other"', self.daemon.api("GET", "/metrics").body)

    def test_a_404_is_never_an_end(self):
        self.daemon.track("late-visible")
        wait_until(lambda: len(self.sandbox.polls("late-visible")) >= 3, 20, "asked again")
        self.assertEqual(self.daemon.get("late-visible")["state"], "tracking")
        self.sandbox.set("late-visible", status="completed")
        self.daemon.wait_state("late-visible", "settled")


class States(SystemCase):
    def daemon_with(self, **poll):
        self.start_sandbox()
        self.receiver = self.start_receiver()
        return self.start_daemon([self.callback(self.receiver)], poll=poll)

    def test_not_found_and_back(self):
        daemon = self.daemon_with(not_found_grace="1s", tail_interval="500ms")
        daemon.track("nf")
        self.assertIsNone(daemon.wait_state("nf", "not_found")["status"])
        event = wait_until(lambda: self.receiver.events("transaction.not_found"), 10, "the event")[0].event
        self.assertFalse(event["data"]["final"])
        self.sandbox.set("nf", status="processing")
        daemon.wait_state("nf", "tracking")
        self.sandbox.set("nf", status="completed")
        daemon.wait_state("nf", "settled")

    def test_rejected_and_back(self):
        daemon = self.daemon_with(tail_interval="500ms")
        self.sandbox.set("rj", status="pending")
        self.sandbox.fault("status", status=400, path="/widget/transactions/rj")
        daemon.track("rj")
        daemon.wait_state("rj", "rejected")
        wait_until(lambda: self.receiver.events("transaction.rejected"), 10, "the event")
        self.assertEqual(daemon.get("rj", wait="10s")["state"], "rejected")
        self.sandbox.clear_faults()
        daemon.wait_state("rj", "tracking")

    def test_a_proxys_400_is_no_rejection(self):
        daemon = self.daemon_with(backoff=["200ms", "300ms"])
        self.sandbox.set("px", status="pending")
        self.sandbox.fault("status", status=400, path="/widget/transactions/px", body="<h1>Bad Request</h1>",
                           headers={"Content-Type": "text/html"})
        daemon.track("px")
        wait_until(lambda: len(self.sandbox.polls("px")) > 5, 20, "asked six times")
        self.assertEqual(daemon.get("px")["state"], "tracking")

    def test_overdue_then_settled(self):
        daemon = self.daemon_with(tail_interval="500ms")
        self.sandbox.set("od", status="pending")
        daemon.track("od", overdue_after="1s")
        daemon.wait_state("od", "overdue")
        self.sandbox.set("od", status="processing")
        wait_until(lambda: daemon.get("od")["status"] == "processing", 10, "the new word")
        self.assertEqual(daemon.get("od")["state"], "overdue")
        self.sandbox.set("od", status="failed")
        daemon.wait_state("od", "settled")
        kinds = [d.event["type"] for d in wait_until(lambda: (lambda f: f if len(f) == 2 else None)(self.receiver.of("od")), 10, "2 events")]
        self.assertEqual(kinds, ["transaction.overdue", "transaction.failed"])

    def test_abandoned_is_asked_no_more(self):
        daemon = self.daemon_with(give_up_after="2s", overdue_after="1s", tail_interval="500ms")
        self.sandbox.set("ab", status="pending")
        daemon.track("ab")
        daemon.wait_state("ab", "abandoned")
        asked = len(self.sandbox.polls("ab"))
        time.sleep(1.5)
        self.assertEqual(len(self.sandbox.polls("ab")), asked)
        self.assertIsNone(daemon.get("ab")["next_poll_at"])
        event = wait_until(lambda: self.receiver.events("transaction.abandoned"), 10, "the event")[0].event
        self.assertFalse(event["data"]["final"])

    def test_a_failed_payment_that_was_retried_is_reversed(self):
        daemon = self.daemon_with(verify_after=["1s", "3s"])
        self.sandbox.set("rv", status="failed")
        daemon.track("rv")
        daemon.wait_state("rv", "settled")
        settled_at = daemon.get("rv")["settled_at"]
        self.sandbox.set("rv", status="completed")
        event = wait_until(lambda: self.receiver.events("transaction.reversed"), 10, "the event")[0].event
        self.assertEqual((event["data"]["status"], event["data"]["previous_status"], event["data"]["state"], event["data"]["final"]),
                         ("completed", "failed", "settled", True))
        self.assertEqual(daemon.get("rv")["settled_at"], settled_at)
        stamps = [d.event["timestamp"] for d in self.receiver.of("rv")]
        self.assertEqual(stamps, sorted(set(stamps)))
        # A reply that goes back to a word that is no end changes nothing.
        self.sandbox.set("rv", status="pending")
        time.sleep(3)
        self.assertEqual(daemon.get("rv")["status"], "completed")

    def test_updated_goes_only_to_those_who_name_it(self):
        self.start_sandbox()
        everything, named = self.start_receiver(name="all"), self.start_receiver(name="named")
        daemon = self.start_daemon([self.callback(everything, "all"),
                                    self.callback(named, "named", events=["transaction.updated"])])
        self.sandbox.set("up", status="pending")
        daemon.track("up")
        wait_until(lambda: daemon.get("up")["status"] == "pending", 10, "the first word")
        self.sandbox.set("up", status="processing")
        event = wait_until(lambda: named.events(), 10, "updated")[0].event
        self.assertEqual((event["type"], event["data"]["final"]), ("transaction.updated", False))
        self.sandbox.set("up", status="completed")
        wait_until(lambda: everything.events("transaction.completed"), 10, "completed")
        self.assertFalse(everything.events("transaction.updated"))
        self.assertEqual(len(named.events()), 1)


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
        self.refuse("certificate|verify|host", base_url="https://127.0.0.2:" + wide.base_url.rsplit(":", 1)[1], ca_file=wide.ca_file)

    def test_plain_http_on_a_tls_port(self):
        self.refuse(".", base_url=self.sandbox.base_url.replace("https", "http"))


if __name__ == "__main__":
    unittest.main()
