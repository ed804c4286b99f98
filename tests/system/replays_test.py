#!/usr/bin/env python3
"""Replays with real programs: a new callback gets the past over several kill -9, in order and with the same bytes; what
is new meanwhile does not wait; cancels, refusals, the command line."""

import json
import random
import subprocess
import time
import unittest

from harness import SystemCase, program, wait_until

IDS = [f"order-{n}" for n in range(150)]
ALL = ["transaction.*", "transaction.updated"]


class Replays(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.first = self.start_receiver(name="first")
        self.late = self.start_receiver(name="late")

    def callbacks(self, **late):
        return [self.callback(self.first, "first", events=ALL),
                self.callback(self.late, "late", **{"events": ALL, "max_in_flight": 8, **late})]

    def record_past(self):
        """Two events of each id, which `first` alone is owed."""
        daemon = self.start_daemon([self.callback(self.first, "first", events=ALL)])
        daemon.import_ids(IDS)
        wait_until(lambda: all(t["status"] == "pending" for t in daemon.all_transactions()), 60, "first polls")
        self.sandbox.set_many({one: {"status": "processing"} for one in IDS})
        wait_until(lambda: len(self.first.events()) >= len(IDS), 60, "the updates")
        self.sandbox.set_many({one: {"status": "completed"} for one in IDS})
        wait_until(lambda: len(self.first.events()) >= 2 * len(IDS), 60, "the ends")
        daemon.stop()
        return daemon

    def restart_with(self, callbacks):
        self.daemon.config["callback"] = callbacks
        return self.daemon.start()

    def replays(self):
        return self.daemon.api("GET", "/v1/replays").json["replays"]

    def begin(self, expect=202, **members):
        reply = self.daemon.api("POST", "/v1/replays", {"callback": "late", **members})
        self.assertEqual(reply.status, expect, reply)
        return reply.json

    def wait_done(self, timeout=60):
        wait_until(lambda: self.replays()[0]["state"] == "done", timeout, "the end of the replay")
        return self.replays()[0]

    def check_received(self, receiver):
        """Each event that `first` got at least once, with its bytes and sequence, those of an id in their order."""
        known = {one.event_id: one for one in self.first.events()}
        firsts = {}
        for one in receiver.events():
            self.assertTrue(one.verified)
            firsts.setdefault(one.event_id, one)
        for event_id, original in known.items():
            self.assertIn(event_id, firsts)
            self.assertEqual(firsts[event_id].event, original.event)
            self.assertEqual(firsts[event_id].headers["webhook-sequence"], original.headers["webhook-sequence"])
        for identifier in IDS:
            order = [int(one.headers["webhook-sequence"]) for one in firsts.values()
                     if one.event["data"]["merchant_transaction_id"] == identifier]
            self.assertEqual(order, sorted(order), identifier)

    def test_a_new_callback_gets_the_past_over_kills(self):
        self.record_past()
        daemon = self.restart_with(self.callbacks())
        self.late.answer = lambda delivery: time.sleep(0.02) or 204
        self.assertEqual(self.begin(200, dry_run=True), {"events": 2 * len(IDS)})
        self.assertEqual(self.replays(), [])
        begun = self.begin()
        self.assertEqual(begun["events"], 2 * len(IDS))
        kills, chance = 0, random.Random(4)
        while kills < 6 and self.replays()[0]["state"] == "running":
            time.sleep(chance.uniform(0.05, 0.15))
            daemon.kill()
            kills += 1
            daemon.start()
        self.assertGreaterEqual(kills, 3)
        done = self.wait_done()
        self.assertEqual(done["id"], begun["id"])
        self.assertEqual([done[name] for name in ("made", "delivered", "pending")], [2 * len(IDS), 2 * len(IDS), 0])
        self.check_received(self.late)
        owed = daemon.api("GET", "/v1/deliveries?callback=late&limit=1000").json["deliveries"]
        self.assertEqual(len(owed), 2 * len(IDS), "each was made once")
        self.assertEqual(len({one["event_id"] for one in owed}), 2 * len(IDS))
        self.assertEqual(self.begin(200, dry_run=True)["events"], 0, "nothing is missing any more")
        self.assertEqual(self.begin(200, dry_run=True, only="all")["events"], 2 * len(IDS))
        self.assertTrue(daemon.logged("replay.started"))
        self.assertEqual(daemon.logged("replay.done")[-1]["delivered"], 2 * len(IDS))
        text = daemon.api("GET", "/metrics").body.decode()
        self.assertIn("prooftrackd_replays_running 0\n", text)
        self.assertIn('prooftrackd_replay_events_total{callback="late"}', text)

    def test_what_is_new_goes_past_a_replay(self):
        self.record_past()
        self.restart_with(self.callbacks())
        self.late.answer = lambda delivery: time.sleep(0.1) or 204
        self.begin(only="all")
        wait_until(lambda: len(self.late.events()) > 8, 10, "the first of the replay")
        self.daemon.track("new-1")
        self.sandbox.set("new-1", status="completed")
        wait_until(lambda: [d for d in self.late.of("new-1") if d.event["type"] == "transaction.completed"], 10,
                   "the new event")
        running = self.replays()[0]
        self.assertEqual(running["state"], "running")
        self.assertGreater(running["events"] - running["delivered"], 50)
        self.wait_done()
        self.check_received(self.late)

    def test_ranges_types_and_refusals(self):
        self.record_past()
        daemon = self.restart_with(self.callbacks(events=["transaction.completed", "transaction.failed"]))
        self.assertEqual(self.begin(200, dry_run=True)["events"], len(IDS))
        self.assertEqual(self.begin(200, dry_run=True, types=["transaction.failed"])["events"], 0)
        completed = [e["seq"] for e in daemon.events() if e["type"] == "transaction.completed"]
        self.assertEqual(self.begin(200, dry_run=True, after_seq=completed[4], before_seq=completed[8])["events"], 3)
        times = sorted(e["timestamp"] for e in daemon.events() if e["type"] == "transaction.completed")
        later = sum(one >= times[10] for one in times)
        self.assertEqual(self.begin(200, dry_run=True, since=times[10])["events"], later)
        self.assertEqual(self.begin(200, dry_run=True, until=times[10])["events"], len(IDS) - later)
        for bad in ({"after_seq": 7, "before_seq": 8}, {"since": times[3], "until": times[3]}, {"types": ["no.event"]},
                    {"only": "some"}, {"unknown": 1}):
            reply = daemon.api("POST", "/v1/replays", {"callback": "late", **bad})
            self.assert_problem(reply, 400, "invalid_request")
        self.assert_problem(daemon.api("POST", "/v1/replays", {"callback": "nobody"}), 404, "unknown_callback")
        self.assert_problem(daemon.api("DELETE", "/v1/replays/77"), 404, "unknown_replay")
        self.assertEqual(self.replays(), [])

    def test_a_cancel_takes_back_what_is_not_under_way(self):
        self.record_past()
        daemon = self.restart_with(self.callbacks(retry_schedule=["1h", "1h"]))
        self.late.answer = lambda delivery: 503
        begun = self.begin()
        wait_until(lambda: self.replays()[0]["pending"] > 100, 10, "pending ones")
        reply = daemon.api("POST", "/v1/replays", {"callback": "late", "dry_run": False})
        self.assert_problem(reply, 409, "replay_running")
        self.assertIn(f"replay {begun['id']} ", reply.json["detail"])
        daemon.kill()
        daemon.start()
        reply = daemon.api("DELETE", f"/v1/replays/{begun['id']}")
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.json["state"], "cancelled")
        self.assertLess(reply.json["made"], 100)
        self.assert_problem(daemon.api("DELETE", f"/v1/replays/{begun['id']}"), 409, "replay_ended")
        daemon.kill()
        daemon.start()
        self.assertEqual(self.replays()[0]["state"], "cancelled")
        left = daemon.api("GET", "/v1/deliveries?callback=late&limit=1000").json["deliveries"]
        self.assertEqual(len(left), reply.json["made"])
        self.late.answer = lambda delivery: 204
        self.assertEqual(self.begin(200, dry_run=True)["events"], 2 * len(IDS) - len(left), "missing again")

    def ctl(self, *arguments, expect=0):
        done = subprocess.run([program("prooftrackctl"), "--socket", self.daemon.socket, *arguments],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, expect, f"{arguments}: {done.stdout} {done.stderr}")
        return done.stdout

    def test_the_command_line(self):
        self.record_past()
        self.restart_with(self.callbacks())
        both = 2 * len(IDS)
        self.assertEqual(self.ctl("replay", "late", "--dry-run"), f"{both} events would be replayed to late\n")
        self.assertEqual(json.loads(self.ctl("--json", "replay", "late", "--dry-run", "--type", "transaction.updated")),
                         {"events": len(IDS)})
        self.assertIn("no [[callback]]", subprocess.run(
            [program("prooftrackctl"), "--socket", self.daemon.socket, "replay", "nobody"], capture_output=True,
            text=True, timeout=60).stderr)
        self.ctl("replay", "late", "--missing", "--all", expect=64)
        self.ctl("replay", "late", "--type", "transaction.complete", expect=64)
        shown = self.ctl("replay", "late", "--since", "1h", "--after", "0", "--before", "100000", "--wait")
        self.assertEqual(shown.splitlines(),
                         [f"replay 1 of {both} events to late", f"done: {both} of {both} events delivered"])
        self.check_received(self.late)
        again = json.loads(self.ctl("--json", "replay", "late", "--all", "--wait"))
        self.assertEqual([again["state"], again["delivered"], again["only"]], ["done", both, "all"])
        rows = self.ctl("replays").splitlines()
        self.assertEqual(rows[0].split()[:3], ["ID", "CALLBACK", "STATE"])
        self.assertEqual([row.split()[0] for row in rows[1:]], ["2", "1"])
        self.assertIn("already", subprocess.run(
            [program("prooftrackctl"), "--socket", self.daemon.socket, "replays", "cancel", "2"], capture_output=True,
            text=True, timeout=60).stderr)
        self.late.answer = lambda delivery: 503
        self.ctl("replay", "late", "--all")
        self.assertTrue(self.ctl("replays", "cancel", "3").startswith("replay 3 is cancelled: "))


if __name__ == "__main__":
    unittest.main(verbosity=2)
