#!/usr/bin/env python3
"""The states of `daemon/docs/reference.md`, the ways into them and the ways back."""

import time
import unittest

from harness import SystemCase, wait_until


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
        kinds = [d.event["type"] for d in wait_until(lambda: (lambda f: f if len(f) == 2
                                                              else None)(self.receiver.of("od")), 10, "2 events")]
        self.assertEqual(kinds, ["transaction.overdue", "transaction.failed"])

    def test_abandoned_is_polled_no_more(self):
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
        self.assertEqual((event["data"]["status"], event["data"]["previous_status"], event["data"]["state"],
                          event["data"]["final"]),
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


if __name__ == "__main__":
    unittest.main()
