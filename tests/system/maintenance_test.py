#!/usr/bin/env python3
"""Maintenance with the real programs: nothing is polled or delivered while it is on, through kill -9; nothing is lost.
"""

import json
import subprocess
import time
import unittest

from harness import SystemCase, parse_time, program, wait_until

QUIET = 1.5  # several intervals of 200 to 400 ms


class Maintenance(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox()
        self.receiver = self.start_receiver()

    def put(self, body, status=200):
        reply = self.daemon.api("PUT", "/v1/maintenance", body)
        self.assertEqual(reply.status, status, reply)
        return reply.json

    def ctl(self, *arguments, expect=0):
        done = subprocess.run([program("prooftrackctl"), "--socket", self.daemon.socket, *arguments],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, expect, f"{arguments}: {done.stdout} {done.stderr}")
        return done.stdout

    def asked(self):
        return len([one for one in self.sandbox.log() if one["path"].startswith("/widget/transactions/")])

    def settle_in_flight(self):
        """What was in flight when maintenance began has ended: two looks apart see the same."""
        def is_still():
            before = self.asked()
            time.sleep(0.3)
            return self.daemon.status()["polls"]["in_flight"] == 0 and self.asked() == before
        wait_until(is_still, 10, "no poll in flight")

    def test_nothing_is_polled_or_delivered_and_nothing_is_lost(self):
        daemon = self.start_daemon([self.callback(self.receiver)])
        for number in range(20):
            self.sandbox.set(f"a-{number}", status="processing")
            daemon.track(f"a-{number}")
        wait_until(lambda: all(t["status"] == "processing" for t in daemon.all_transactions()), 15, "first replies")
        before = time.time()
        held = self.put({"on": True, "note": "Proof moves"})
        self.assertEqual((held["on"], held["note"]), (True, "Proof moves"))
        self.assertAlmostEqual(parse_time(held["since"]), before, delta=5)
        self.settle_in_flight()
        seen, told = self.asked(), len(self.receiver.events())
        for number in range(20):
            self.sandbox.set(f"a-{number}", status="completed")
        self.sandbox.set("b-1", status="completed")
        daemon.track("b-1")  # ids are taken as ever
        self.assertEqual(daemon.api("POST", "/v1/transactions/a-0/poll").status, 202)
        self.assertEqual(daemon.api("GET", "/readyz").status, 200)
        self.assertEqual(daemon.api("GET", "/v1/users/u-1/kyc-status").status, 200, "a user's own call")
        self.assertEqual(daemon.api("POST", "/v1/callbacks/backend/test").json["status"], 204)
        time.sleep(QUIET)
        self.assertEqual(self.asked(), seen)
        self.assertEqual(len(self.receiver.events()), told + 1, "the test by hand alone")
        self.assertIsNone(daemon.get("b-1")["next_poll_at"])
        self.assertEqual(daemon.get("b-1")["state"], "tracking")
        status = daemon.status()
        self.assertEqual(status["maintenance"], held)
        self.assertIn("prooftrackd_maintenance 1\n", daemon.api("GET", "/metrics").body.decode())
        again = self.put({"on": True, "note": "longer"})
        self.assertEqual((again["since"], again["note"]), (held["since"], "longer"))

        self.assertEqual(self.put({"on": False}), {"on": False, "since": None, "note": None})
        for number in range(20):
            daemon.wait_state(f"a-{number}", "settled")
        daemon.wait_state("b-1", "settled")
        wait_until(lambda: len(self.receiver.events("transaction.completed")) == 21, 15, "21 deliveries")
        self.assertIsNone(daemon.status()["maintenance"])
        self.assertIn("prooftrackd_maintenance 0\n", daemon.api("GET", "/metrics").body.decode())
        lines = daemon.logged("daemon.maintenance")
        self.assertEqual([line["state"] for line in lines], ["on", "on", "off"])
        changes = [line for line in daemon.logged("api.change") if line["action"] == "maintenance"]
        self.assertEqual([line["state"] for line in changes], ["on", "on", "off"])

    def test_it_survives_kill_9_on_and_off(self):
        daemon = self.start_daemon([self.callback(self.receiver)])
        self.sandbox.set("a-1", status="processing")
        daemon.track("a-1")
        wait_until(lambda: daemon.get("a-1")["status"] == "processing", 10, "a reply")
        held = self.put({"on": True})
        daemon.kill()  # the moment that it was acknowledged
        self.sandbox.set("a-1", status="completed")
        self.sandbox.clear_log()
        daemon.start()
        self.assertEqual(daemon.status()["maintenance"], held)
        time.sleep(QUIET)
        self.assertEqual(self.asked(), 0)
        self.assertEqual(daemon.logged("daemon.maintenance")[-1]["state"], "on")
        daemon.stop()
        daemon.start()
        time.sleep(QUIET)
        self.assertEqual(self.asked(), 0)
        self.put({"on": False})
        daemon.kill()
        daemon.start()
        self.assertIsNone(daemon.status()["maintenance"])
        daemon.wait_state("a-1", "settled")
        wait_until(lambda: len(self.receiver.of("a-1")) >= 1, 10, "its delivery")

    def test_a_failed_delivery_waits_and_uses_nothing_of_its_schedule(self):
        self.receiver.answer = lambda _: 500
        daemon = self.start_daemon([self.callback(self.receiver, retry_schedule=["500ms", "500ms", "500ms"])])
        self.sandbox.set("a-1", status="completed")
        daemon.track("a-1")
        wait_until(lambda: self.receiver.of("a-1"), 10, "the first attempt")
        self.put({"on": True})
        wait_until(lambda: daemon.api("GET", "/v1/deliveries").json["deliveries"][0]["attempts"] >= 1, 10, "recorded")
        time.sleep(0.3)
        tried = len(self.receiver.of("a-1"))
        time.sleep(QUIET)
        self.assertEqual(len(self.receiver.of("a-1")), tried)
        self.receiver.answer = lambda _: 204
        self.put({"on": False})
        wait_until(lambda: daemon.api("GET", "/v1/deliveries?state=delivered").json["deliveries"], 10, "delivered")

    def test_nobody_becomes_overdue_by_it(self):
        daemon = self.start_daemon([self.callback(self.receiver)])
        self.sandbox.set("paid", status="processing")
        daemon.track("paid", overdue_after="2s")
        wait_until(lambda: daemon.get("paid")["status"] == "processing", 10, "a reply")
        self.put({"on": True})
        self.sandbox.set("paid", status="completed")
        time.sleep(3)
        self.assertEqual(daemon.get("paid")["state"], "tracking")
        self.put({"on": False})
        daemon.wait_state("paid", "settled")
        wait_until(lambda: self.receiver.of("paid"), 10, "its delivery")
        self.assertEqual([one.event["type"] for one in self.receiver.of("paid")], ["transaction.completed"])

    def test_the_command_line_turns_and_shows_it(self):
        daemon = self.start_daemon([self.callback(self.receiver)])
        daemon.track("a-1")
        self.assertEqual(self.ctl("maintenance", "status"), "maintenance is off\n")
        self.assertIn("nothing is polled", self.ctl("maintenance", "on", "--note", "Proof moves house"))
        self.assertIn("(Proof moves house)", self.ctl("status"))
        self.assertIn("maintenance is on since", self.ctl("explain", "a-1"))
        self.assertEqual(json.loads(self.ctl("--json", "maintenance", "status"))["note"], "Proof moves house")
        self.assertIn("maintenance: on", self.ctl("status", "--check"), "no reason by itself")
        self.assertEqual(self.ctl("maintenance", "off", "--note", "done"),
                         "maintenance is off: polls and deliveries go on\n")
        self.assertEqual(daemon.wait_log("daemon.maintenance", 2)[-1]["note"], "done")
        self.assertEqual(self.ctl("status", "--check"), "ok\n")

    def test_what_is_refused_changes_nothing(self):
        daemon = self.start_daemon([self.callback(self.receiver)])
        for body in ({}, {"on": 1}, {"on": True, "note": "x" * 501}, {"on": True, "note": "a\nb"},
                     {"on": True, "x": 1}):
            self.assert_problem(daemon.api("PUT", "/v1/maintenance", body), 400, "invalid_request")
        self.assert_problem(daemon.api("GET", "/v1/maintenance"), 405, "method_not_allowed")
        self.assertIsNone(daemon.status()["maintenance"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
