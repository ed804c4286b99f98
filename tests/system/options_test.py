#!/usr/bin/env python3
"""Changing options and ending the tracking of many, with the real programs: kill -9 in between."""

import http.client
import json
import subprocess
import threading
import unittest

from harness import SystemCase, program, wait_until


class Options(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.receiver = self.start_receiver()
        self.old = self.start_receiver(name="old")
        self.new = self.start_receiver(name="new")
        self.daemon = self.start_daemon(
            [self.callback(self.receiver)],
            callback_url={"allow_hosts": ["127.0.0.1"], "secret_file": self.old.secret_file})

    def ctl(self, *arguments, expect=0):
        done = subprocess.run([program("prooftrackctl"), "--socket", self.daemon.socket, "--json", *arguments],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, expect, done)
        return done

    def patch(self, identifier, body, expect=200):
        reply = self.daemon.api("PATCH", f"/v1/transactions/{identifier}", body)
        self.assertEqual(reply.status, expect, reply)
        return reply

    def untrack(self, expect=200, **members):
        reply = self.daemon.api("POST", "/v1/transactions/untrack", members)
        self.assertEqual(reply.status, expect, reply)
        return reply.json

    def found(self, query):
        reply = self.daemon.api("GET", f"/v1/transactions?{query}")
        return [each["merchant_transaction_id"] for each in reply.json["transactions"]]

    def settle(self, identifier, status):
        self.sandbox.set(identifier, status=status)
        return self.daemon.wait_state(identifier, "settled")

    def event(self, identifier, kind):
        def look():
            for event in self.daemon.events():
                if event["data"]["merchant_transaction_id"] == identifier and event["type"] == f"transaction.{kind}":
                    return event
        return wait_until(look, 20, f"transaction.{kind} of {identifier}")

    def test_new_options_hold_for_later_events_and_survive_a_kill(self):
        self.daemon.track("a", metadata={"order": "A-1"}, callback_url=self.old.url)
        self.settle("a", "failed")
        first = self.event("a", "failed")
        wait_until(lambda: self.old.of("a"), 20, "the old URL")
        body = '{"metadata": { "order" : "B-1", "n":1.10 }, "callback_url": "%s?token=sesame"}' % self.new.url
        reply = self.patch("a", body)
        self.assertIn(b'"metadata":{ "order" : "B-1", "n":1.10 }', reply.body)
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.daemon.get("a")["metadata"], {"order": "B-1", "n": 1.1})
        self.assertEqual(self.found("metadata.order=B-1&metadata.n=1.10"), ["a"])
        self.assertEqual(self.found("metadata.order=A-1"), [])
        self.sandbox.set("a", status="completed")
        self.assertEqual(self.daemon.api("POST", "/v1/transactions/a/poll").status, 202)
        second = self.event("a", "reversed")
        self.assertEqual(second["data"]["metadata"], {"order": "B-1", "n": 1.1})
        self.assertEqual(self.event("a", "failed"), first, "what is recorded keeps its bytes")
        wait_until(lambda: self.new.of("a"), 20, "the new URL")
        self.assertEqual([one.event["type"] for one in self.old.of("a")], ["transaction.failed"])
        log = self.daemon.process.output()
        for secret in ("sesame", "B-1", "A-1"):
            self.assertNotIn(secret, log)
        line = [one for one in self.daemon.logged("api.change") if one["action"] == "set_options"]
        self.assertEqual([(one["merchant_transaction_id"], one["result"]) for one in line], [("a", "done")])

    def test_a_later_post_is_compared_with_the_new_options(self):
        self.daemon.track("a", metadata={"order": "A-1"}, overdue_after="2h")
        self.patch("a", {"metadata": {"order": "B-1"}, "callback_url": self.new.url})
        same = {"metadata": {"order": "B-1"}, "callback_url": self.new.url, "overdue_after": "2h"}
        self.daemon.track("a", expect=200, **same)
        self.daemon.track("a", expect=409, metadata={"order": "A-1"}, overdue_after="2h")
        self.patch("a", {"callback_url": None})
        self.assertIsNone(self.daemon.get("a")["callback_url"])
        self.daemon.track("a", expect=409, **same)

    def test_what_cannot_be_changed_is_refused_and_changes_nothing(self):
        self.daemon.track("a", metadata={"order": "A-1"})
        for body in ({}, [], {"metadata": None}, {"metadata": []}, {"metadata": {"a": "x" * 4096}},
                     {"callback_url": "https://elsewhere.example/"}, {"callback_url": "nonsense"},
                     {"overdue_after": "1h"}, {"metadata": {}, "more": 1}):
            self.assert_problem(self.daemon.api("PATCH", "/v1/transactions/a", body), 400, "invalid_request")
        self.assert_problem(self.daemon.api("PATCH", "/v1/transactions/a"), 400, "invalid_request")
        self.assert_problem(self.daemon.api("PATCH", "/v1/transactions/b", {"metadata": {}}), 404,
                            "unknown_transaction")
        self.assertEqual(self.daemon.get("a")["metadata"], {"order": "A-1"})
        self.daemon.api("DELETE", "/v1/transactions/a")
        self.assert_problem(self.daemon.api("PATCH", "/v1/transactions/a", {"metadata": {}}), 409, "already_ended")

    def test_the_command_line_changes_and_ends(self):
        self.daemon.track("a", metadata={"order": "A-1"})
        shown = json.loads(self.ctl("set", "a", "--metadata", "order=B-1", "--callback-url", self.new.url).stdout)
        self.assertEqual((shown["metadata"], shown["callback_url"]), ({"order": "B-1"}, self.new.url))
        shown = json.loads(self.ctl("set", "a", "--no-callback-url").stdout)
        self.assertEqual((shown["metadata"], shown["callback_url"]), ({"order": "B-1"}, None))
        counted = json.loads(self.ctl("untrack", "--metadata", "order=B-1", "--state", "tracking", "--dry-run").stdout)
        self.assertEqual(counted, {"matched": 1, "untracked": 0})
        ended = json.loads(self.ctl("untrack", "--metadata", "order=B-1").stdout)
        self.assertEqual(ended, {"matched": 1, "untracked": 1})
        self.assertEqual(self.daemon.get("a")["state"], "untracked")
        self.assertIn("already_ended", self.ctl("set", "a", "--metadata", "order=C", expect=1).stderr)

    def test_many_are_untracked_by_a_filter(self):
        for number in range(600):
            self.daemon.track(f"old-{number}", metadata={"batch": "old", "n": number % 2})
        self.daemon.track("kept", metadata={"batch": "new"})
        self.daemon.track("done", metadata={"batch": "old"})
        self.settle("done", "completed")
        waited = []
        waiting = threading.Thread(target=lambda: waited.append(self.daemon.get("old-1", wait="30s")["state"]))
        waiting.start()
        first = self.daemon.get("old-0")["tracked_at"]
        for before, matched in ((first, 0), ("2100-01-01T00:00:00Z", 600)):
            self.assertEqual(self.untrack(filter={"metadata.batch": "old", "tracked_before": before}, dry_run=True),
                             {"matched": matched, "untracked": 0})
        self.assertEqual(self.untrack(filter={"metadata.batch": "old", "metadata.n": "1"}),
                         {"matched": 300, "untracked": 300})
        waiting.join(30)
        self.assertEqual(waited, ["untracked"])
        self.assertEqual(self.untrack(filter={"state": "tracking", "metadata.batch": "old"}),
                         {"matched": 300, "untracked": 300})
        self.assertEqual(self.untrack(filter={"metadata.batch": "old"}), {"matched": 0, "untracked": 0})
        self.daemon.kill()
        self.daemon.start()
        states = [one["state"] for one in self.daemon.all_transactions()]
        self.assertEqual({state: states.count(state) for state in states},
                         {"untracked": 600, "tracking": 1, "settled": 1})
        changes = self.daemon.logged("api.change")
        self.assertEqual(sum(one["action"] == "untrack" for one in changes), 600)
        self.assertEqual([one["count"] for one in changes if one["action"] == "untrack_matching"], [300, 300, 0])

    def test_a_filter_that_names_everything_or_the_impossible_is_refused(self):
        self.daemon.track("a")
        for members in ({}, {"filter": {}}, {"filter": {"state": "settled"}}, {"filter": {"state": "untracked"}},
                        {"filter": {"id": "a"}}, {"filter": {"state": "tracking"}, "all": True},
                        {"filter": {"tracked_before": "tomorrow"}}):
            self.assert_problem(self.daemon.api("POST", "/v1/transactions/untrack", members), 400, "invalid_request")
        self.assertEqual(self.daemon.get("a")["state"], "tracking")

    def test_a_kill_half_way_leaves_each_ended_or_not_and_a_repeat_ends_the_rest(self):
        self.daemon.import_ids([f"many-{number}" for number in range(20000)])
        killing = threading.Timer(0.15, self.daemon.kill)
        killing.start()
        try:
            self.daemon.api("POST", "/v1/transactions/untrack", {"filter": {"state": "tracking"}})
        except (OSError, http.client.HTTPException):
            pass  # it died under the call
        killing.join()
        self.daemon.start()
        counts = self.daemon.status()["transactions"]["by_state"]
        ended = counts.get("untracked", 0)
        self.assertEqual(ended + counts.get("tracking", 0), 20000, counts)

        def repeat():  # 503 while they are loaded
            body = {"filter": {"state": "tracking"}}
            return self.daemon.api("POST", "/v1/transactions/untrack", body, timeout=60).status == 200
        wait_until(repeat, 60, "an untracking")
        self.assertEqual(self.daemon.status()["transactions"]["by_state"]["untracked"], 20000)


if __name__ == "__main__":
    unittest.main()
