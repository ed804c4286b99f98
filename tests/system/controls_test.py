#!/usr/bin/env python3
"""A callback that is paused, resumed and flushed, dead deliveries that are dismissed: over the API and the command
line, across kill -9 and a reload."""

import csv
import io
import json
import subprocess
import threading
import unittest

from harness import SystemCase, program, wait_until


class Controls(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.receiver = self.start_receiver()
        self.other = self.start_receiver(name="other")

    def start(self, **keys):
        self.start_daemon([self.callback(self.receiver, **keys), self.callback(self.other, "ledger")],
                          poll={"verify_after": []})

    def complete(self, identifier):
        self.sandbox.set(identifier, status="completed")
        self.daemon.track(identifier)

    def deliveries(self, **query):
        text = "&".join(f"{k}={v}" for k, v in query.items())
        return self.daemon.api("GET", f"/v1/deliveries?limit=1000&{text}").json["deliveries"]

    def shown(self, name="backend"):
        return {each["name"]: each for each in self.daemon.status()["callbacks"]}[name]

    def post(self, path, body=None, expect=200):
        reply = self.daemon.api("POST", path, body)
        self.assertEqual(reply.status, expect, reply)
        return reply.json

    def metric(self, series):
        text = self.daemon.api("GET", "/metrics").body.decode()
        return [line.split()[-1] for line in text.splitlines() if line.startswith(series + " ")]

    def ctl(self, *arguments, expect=0):
        done = subprocess.run([program("prooftrackctl"), "--socket", self.daemon.socket, *arguments],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, expect, done)
        return done.stdout if expect == 0 else done.stderr

    def owed_meanwhile(self, identifiers):
        """Ids that complete while `backend` is paused: the other callback tells that they are recorded."""
        for identifier in identifiers:
            self.complete(identifier)
        for identifier in identifiers:
            wait_until(lambda: self.other.of(identifier), 15, f"the event of {identifier}")

    def test_a_pause_holds_through_kill_and_reload_and_nothing_is_lost(self):
        self.start()
        self.complete("before")
        wait_until(lambda: self.receiver.of("before"), 15, "an event")
        paused = self.post("/v1/callbacks/backend/pause")
        self.assertEqual((paused["name"], paused["state"]), ("backend", "paused"))
        since = paused["paused_since"]
        self.assertEqual(self.post("/v1/callbacks/backend/pause")["paused_since"], since)
        self.daemon.wait_log("callback.paused")
        self.owed_meanwhile(["a", "b"])
        self.daemon.kill()
        self.daemon.start()
        self.owed_meanwhile(["c"])
        self.daemon.reload()
        self.daemon.wait_log("config.reloaded")
        self.owed_meanwhile(["d"])
        self.assertEqual((self.shown()["state"], self.shown()["paused_since"]), ("paused", since))
        self.assertEqual(self.shown()["backlog"], 4)
        self.assertEqual(self.shown("ledger")["state"], "ok")
        self.assertEqual(self.metric('prooftrackd_callback_paused{callback="backend"}'), ["1"])
        self.assertEqual(self.metric('prooftrackd_callback_paused{callback="ledger"}'), ["0"])
        waiting = self.deliveries(state="pending")
        self.assertEqual({(d["attempts"], d["last_error"], d["next_attempt_at"]) for d in waiting},
                         {(0, "callback paused", None)})
        self.assertEqual([d.event["data"]["merchant_transaction_id"] for d in self.receiver.deliveries], ["before"])
        resumed = self.post("/v1/callbacks/backend/resume")
        self.assertEqual((resumed["state"], resumed["paused_since"]), ("ok", None))
        wait_until(lambda: len(self.receiver.deliveries) == 5, 15, "what waited")
        self.assertEqual({d.event["data"]["merchant_transaction_id"] for d in self.receiver.deliveries},
                         {"before", "a", "b", "c", "d"})
        self.daemon.wait_log("callback.resumed")
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.shown()["state"], "ok")
        self.complete("after")
        wait_until(lambda: self.receiver.of("after"), 15, "an event after the pause")

    def test_what_is_in_flight_ends_normally(self):
        begun, may_end = threading.Event(), threading.Event()
        self.receiver.answer = lambda delivery: begun.set() or may_end.wait(10) and 204
        self.start()
        self.complete("slow")
        self.assertTrue(begun.wait(15), "an attempt")
        self.post("/v1/callbacks/backend/pause")
        may_end.set()
        wait_until(lambda: self.deliveries(state="delivered", callback="backend"), 15, "its end")
        self.assertEqual(len(self.receiver.deliveries), 1)

    def test_a_flush_sends_at_once_what_waits_for_its_schedule(self):
        self.receiver.answer = lambda delivery: 500
        self.start(retry_schedule=["12h", "12h"])
        for number in range(7):
            self.complete(f"flush-{number}")
        wait_until(lambda: (self.shown()["state"], self.shown()["backlog"]) == ("failing", 7), 15, "failing")
        self.assertEqual(self.post("/v1/callbacks/backend/flush", expect=202), {"due": 7})
        self.receiver.answer = lambda delivery: 204
        wait_until(lambda: self.post("/v1/callbacks/backend/flush", expect=202)["due"] == 0, 15, "all are delivered")
        wait_until(lambda: len(self.deliveries(state="delivered", callback="backend")) == 7, 15, "delivered")
        self.assert_problem(self.daemon.api("POST", "/v1/callbacks/nobody/flush"), 404, "unknown_callback")
        self.post("/v1/callbacks/backend/pause")
        self.assert_problem(self.daemon.api("POST", "/v1/callbacks/backend/flush"), 409, "callback_paused")

    def test_a_dead_delivery_is_dismissed_and_can_still_be_sent(self):
        self.receiver.answer = lambda delivery: 410
        self.start()
        for identifier in ("one", "two", "three"):
            self.complete(identifier)
        dead = wait_until(lambda: (lambda found: found if len(found) == 3 else None)(self.deliveries(state="dead")),
                          15, "three dead ones")
        identifier = dead[0]["id"]
        dismissed = self.post(f"/v1/deliveries/{identifier}/dismiss", {"note": "=told by phone, \"A-17\""})
        self.assertEqual((dismissed["id"], dismissed["state"], dismissed["note"]),
                         (identifier, "dismissed", "=told by phone, \"A-17\""))
        self.assert_problem(self.daemon.api("POST", f"/v1/deliveries/{identifier}/dismiss"), 409, "not_dead")
        self.assertEqual(self.post("/v1/deliveries/dismiss", {"state": "dead", "callback": "backend"}),
                         {"dismissed": 2})
        for _ in range(2):
            self.assertEqual(self.shown()["dead"], 0)
            self.assertEqual(self.metric('prooftrackd_deliveries_dead{callback="backend"}'), ["0"])
            self.assertEqual(self.deliveries(state="dead"), [])
            listed = self.deliveries(state="dismissed")
            self.assertEqual([each.get("note") for each in listed if each["id"] == identifier], [dismissed["note"]])
            self.assertEqual(len([each for each in listed if "note" not in each]), 2)
            self.daemon.kill()
            self.daemon.start()
        rows = list(csv.DictReader(io.StringIO(
            self.daemon.api("GET", "/v1/export/deliveries?format=csv").body.decode())))
        mine = [row for row in rows if row["id"] == str(identifier)]
        self.assertEqual([(row["state"], row["note"]) for row in mine], [("dismissed", "'=told by phone, \"A-17\"")])
        lines = self.daemon.api("GET", "/v1/export/deliveries").body.decode().splitlines()
        self.assertEqual([each["note"] for each in map(json.loads, lines) if "note" in each], [dismissed["note"]])
        owed = self.daemon.api("GET", "/v1/transactions?not_delivered_to=backend").json["transactions"]
        self.assertEqual(len(owed), 3, "a dismissed one was not delivered")
        self.receiver.answer = lambda delivery: 204
        self.post("/v1/deliveries/retry", {"state": "dead"}, expect=202)
        self.post(f"/v1/deliveries/{identifier}/retry", expect=202)
        wait_until(lambda: [d for d in self.deliveries(state="delivered") if d["id"] == identifier], 15, "sent again")
        self.assertEqual(len(self.deliveries(state="dismissed")), 2)

    def test_a_retry_by_hand_waits_for_the_end_of_the_pause(self):
        self.receiver.answer = lambda delivery: 410
        self.start()
        self.complete("dead")
        dead = wait_until(lambda: self.deliveries(state="dead"), 15, "dead")[0]
        self.post("/v1/callbacks/backend/pause")
        for path, body in ((f"/v1/deliveries/{dead['id']}/retry", None),
                           ("/v1/deliveries/retry", {"state": "dead", "callback": "backend"}),
                           ("/v1/deliveries/retry", {"state": "dead"})):
            self.assert_problem(self.daemon.api("POST", path, body), 409, "callback_paused")
        self.assertEqual(self.deliveries(state="dead"), [dead])
        self.assertEqual(self.post(f"/v1/deliveries/{dead['id']}/dismiss")["state"], "dismissed")
        refused = [line for line in self.daemon.logged("api.change") if line["result"] == "callback_paused"]
        self.assertEqual(len(refused), 3)
        self.assertTrue(all("uid" in line for line in refused))

    def test_the_command_line_does_it_and_says_so(self):
        self.receiver.answer = lambda delivery: 410
        self.start()
        self.complete("told")
        dead = wait_until(lambda: self.deliveries(state="dead"), 15, "dead")[0]
        self.assertIn("backend is paused (since 2", self.ctl("pause", "backend"))
        status = self.ctl("status")
        self.assertIn("paused", status)
        self.assertIn("`prooftrackctl resume backend` lets it go on", status)
        self.owed_meanwhile(["waits"])
        self.assertIn("a user has paused the callback", " ".join(self.ctl("explain", "waits").split()))
        self.assertIn("callback_paused", self.ctl("flush", "backend", expect=1))
        self.assertIn("callback_paused", self.ctl("redeliver", "--dead", "--callback", "backend", expect=1))
        self.assertIn("is dismissed", self.ctl("dismiss", str(dead["id"]), "--note", "shut down"))
        self.assertIn("not_dead", self.ctl("dismiss", str(dead["id"]), expect=1))
        self.assertIn("dismissed by a user: shut down", " ".join(self.ctl("explain", "told").split()))
        listed = json.loads(self.ctl("--json", "deliveries", "--state", "dismissed"))
        self.assertEqual((listed["id"], listed["note"]), (dead["id"], "shut down"))
        self.assertIn("backend is not paused", self.ctl("resume", "backend"))
        wait_until(lambda: self.deliveries(state="dead"), 15, "the one that waited")
        self.assertEqual(json.loads(self.ctl("--json", "dismiss", "--dead", "--callback", "backend")),
                         {"dismissed": 1})
        self.assertIn("nothing waits for backend", self.ctl("flush", "backend"))
        self.assertIn("unknown_callback", self.ctl("pause", "nobody", expect=1))

    def test_a_note_has_its_bounds(self):
        self.start()
        self.complete("x")
        wait_until(lambda: self.deliveries(state="delivered"), 15, "delivered")
        for note in ("x" * 501, "two\nlines", 7):
            self.assert_problem(self.daemon.api("POST", "/v1/deliveries/1/dismiss", {"note": note}), 400,
                                "invalid_request")
        self.assert_problem(self.daemon.api("POST", "/v1/deliveries/1/dismiss", {"note": "x" * 500}), 409, "not_dead")


if __name__ == "__main__":
    unittest.main()
