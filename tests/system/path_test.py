#!/usr/bin/env python3
"""The whole way: an id goes in, Proof is asked, the end is stored and told, and the API shows it."""

import json
import time
import unittest
import uuid

from harness import SLACK, SystemCase, parse_time, wait_until


class WholePath(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox()
        self.receiver = self.start_receiver()
        self.start_daemon([self.callback(self.receiver)])

    def test_each_end_is_stored_and_delivered_once(self):
        for status in ("completed", "failed", "cancelled"):
            identifier = f"id-{status}"
            self.sandbox.set(identifier, script=[{"after": "600ms", "status": "processing"},
                                                 {"after": "1200ms", "status": status}])
            created = self.daemon.track(identifier, metadata={"order": status})
            self.assertEqual((created["state"], created["status"], created["settled_at"]), ("tracking", None, None))
        for status in ("completed", "failed", "cancelled"):
            identifier = f"id-{status}"
            shown = self.daemon.wait_state(identifier, "settled")
            self.assertEqual(shown["status"], status)
            self.assertEqual(shown["metadata"], {"order": status})
            self.assertEqual(shown["proof"]["merchant_transaction_id"], identifier)
            delivery = wait_until(lambda: self.receiver.of(identifier), 10, "the callback")[0]
            self.assertTrue(delivery.verified)
            event = delivery.event
            self.assertEqual(event["type"], f"transaction.{status}")
            self.assertNotIn("seq", event)
            self.assertEqual(event["id"], delivery.event_id)
            self.assertTrue(event["id"].startswith("evt_"))
            data = event["data"]
            self.assertEqual((data["state"], data["status"], data["previous_status"], data["final"]),
                             ("settled", status, "processing", True))
            self.assertEqual(data["metadata"], {"order": status})
            self.assertEqual(data["proof"]["status"], status)
        events = self.daemon.events()
        self.assertEqual([e["seq"] for e in events], list(range(1, len(events) + 1)))
        ends = [e for e in events if e["data"]["final"]]
        self.assertEqual(sorted(e["type"] for e in ends),
                         ["transaction.cancelled", "transaction.completed", "transaction.failed"])
        wait_until(lambda: len(self.daemon.api("GET", "/v1/deliveries?state=delivered").json["deliveries"]) == 3, 10,
                   "3 delivered")
        time.sleep(1.5)
        self.assertEqual(len(self.receiver.deliveries), 3, "nothing is told twice")
        # A settled id is not asked any more.
        asked = len(self.sandbox.polls("id-completed"))
        time.sleep(1)
        self.assertEqual(len(self.sandbox.polls("id-completed")), asked)

    def test_a_delivery_shows_its_fields(self):
        self.sandbox.set("one", status="completed")
        self.daemon.track("one")
        wait_until(lambda: self.daemon.api("GET", "/v1/deliveries?state=delivered").json["deliveries"], 10,
                   "a delivery")
        listed = self.daemon.api("GET", "/v1/deliveries?merchant_transaction_id=one&callback=backend").json
        self.assertIsNone(listed["next_cursor"])
        delivery = listed["deliveries"][0]
        self.assertEqual(set(delivery), {"id", "event_id", "event_type", "merchant_transaction_id", "callback", "state",
                                         "attempts",
                                         "last_attempt_at", "last_error", "last_status", "next_attempt_at"})
        self.assertEqual((delivery["callback"], delivery["state"], delivery["attempts"], delivery["last_status"]),
                         ("backend", "delivered", 1, 204))
        parse_time(delivery["last_attempt_at"])

    def test_the_first_poll_comes_at_once(self):
        self.daemon.track("warm-up")
        time.sleep(0.5)
        for round_number in range(5):
            identifier = f"quick-{round_number}"
            self.daemon.track(identifier)
            done = time.time()
            first = wait_until(lambda: self.sandbox.polls(identifier), 5, "a first poll")[0]
            self.assertLess(first - done, 0.1 + SLACK / 5)

    def test_history_names_each_change(self):
        self.sandbox.set("h", script=[{"after": "500ms", "status": "processing"},
                                      {"after": "1s", "status": "completed"}])
        self.daemon.track("h")
        self.daemon.wait_state("h", "settled")
        history = self.daemon.api("GET", "/v1/transactions/h/history")
        self.assertEqual(history.status, 200)
        text = history.body.decode()
        for word in ("pending", "processing", "completed", "req_"):
            self.assertIn(word, text)

    def test_proofs_bytes_and_metadata_are_kept_as_they_came(self):
        proof = ('{ "z": 1.10, "status" :"completed",\t"merchant_transaction_id":"verbatim", "big": '
                 '12345678901234567890123,'
                 ' "u": "\\u00e9\u00e9", "a": {"b":[ ]} }')
        metadata = '{"order": "A-17", "amount": 1.10, "n": 1e2, "deep": {"z":1,"a":2}}'
        self.sandbox.set("verbatim", body=proof)
        body = '{"merchant_transaction_id": "verbatim", "metadata": ' + metadata + "}"
        self.assertEqual(self.daemon.api("POST", "/v1/transactions", body).status, 201)
        self.daemon.wait_state("verbatim", "settled")
        delivery = wait_until(lambda: self.receiver.of("verbatim"), 10, "the callback")[0]
        for where, content in (("callback", delivery.body.decode()),
                               ("API", self.daemon.api("GET", "/v1/transactions/verbatim").body.decode()),
                               ("events", self.daemon.api("GET", "/v1/events").body.decode())):
            self.assertIn(proof, content, where)
            self.assertIn(metadata, content, where)

    def test_adding_again(self):
        self.daemon.track("again", metadata={"a": 1, "b": 2})
        body = '{"metadata": {"b": 2, "a": 1}, "merchant_transaction_id": "again"}'
        self.assertEqual(self.daemon.api("POST", "/v1/transactions", body).status, 200, "equal as JSON values")
        self.assert_problem(self.daemon.api("POST", "/v1/transactions",
                                            {"merchant_transaction_id": "again", "metadata": {"a": 2}}), 409,
                            "already_tracked")
        self.assert_problem(self.daemon.api("POST", "/v1/transactions",
                                            {"merchant_transaction_id": "again", "metadata": {"a": 1, "b": 2},
                                             "overdue_after": "1h"}),
                            409, "already_tracked")
        self.sandbox.set("again", status="completed")
        self.daemon.wait_state("again", "settled")
        self.assertEqual(self.daemon.track("again", expect=200, metadata={"other": True})["state"], "settled")

    def test_untrack_and_track_anew(self):
        self.daemon.track("gone")
        reply = self.daemon.api("DELETE", "/v1/transactions/gone")
        self.assertEqual((reply.status, reply.json["state"]), (200, "untracked"))
        self.assert_problem(self.daemon.api("DELETE", "/v1/transactions/gone"), 409, "already_ended")
        self.assert_problem(self.daemon.api("POST", "/v1/transactions/gone/poll"), 409, "already_ended")
        time.sleep(0.6)
        asked = len(self.sandbox.polls("gone"))
        time.sleep(1)
        self.assertEqual(len(self.sandbox.polls("gone")), asked)
        again = self.daemon.track("gone", metadata={"new": "options"})
        self.assertEqual((again["state"], again["metadata"]), ("tracking", {"new": "options"}))
        self.sandbox.set("gone", status="failed")
        self.daemon.wait_state("gone", "settled")
        self.assert_problem(self.daemon.api("DELETE", "/v1/transactions/gone"), 409, "already_ended")
        self.assert_problem(self.daemon.api("DELETE", "/v1/transactions/never"), 404, "unknown_transaction")

    def test_wait_answers_at_the_end_or_at_the_timeout(self):
        self.daemon.track("w")
        began = time.monotonic()
        self.assertEqual(self.daemon.get("w", wait="700ms")["state"], "tracking")
        self.assertGreaterEqual(time.monotonic() - began, 0.65)
        self.sandbox.set("w", script=[{"after": "1s", "status": "completed"}])
        began = time.monotonic()
        self.assertEqual(self.daemon.get("w", wait="30s")["status"], "completed")
        self.assertLess(time.monotonic() - began, 3 + SLACK)

    def test_import_takes_valid_lines_and_reports_the_others(self):
        lines = ['{"merchant_transaction_id": "n1", "metadata": {"k": 1}}', '"n2"', "", "{broken", '"bad id"', '"n2"',
                 '{"merchant_transaction_id": "n3", "unknown": 1}', "n4-without-quotes"]
        reply = self.daemon.api("POST", "/v1/transactions", "\n".join(lines), {"Content-Type": "application/x-ndjson"})
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual((reply.json["created"], reply.json["existing"]), (3, 1))
        self.assertEqual([r["line"] for r in reply.json["rejected"]], [4, 5, 7])
        for rejected in reply.json["rejected"]:
            self.assertEqual(set(rejected), {"line", "code", "detail"})
            self.assertEqual(rejected["code"], "invalid_request")
        self.assertEqual(self.daemon.get("n1")["metadata"], {"k": 1})

    def test_a_bare_id_in_an_import_means_be_sure_that_it_is_tracked(self):
        self.daemon.track("known", metadata={"order": 7}, overdue_after="2h")
        lines = ['"known"', "known", '{"merchant_transaction_id": "known"}',
                 '{"merchant_transaction_id": "known", "metadata": {"order": 8}}']
        reply = self.daemon.api("POST", "/v1/transactions", "\n".join(lines), {"Content-Type": "application/x-ndjson"})
        self.assertEqual((reply.json["created"], reply.json["existing"]), (0, 2), reply)
        self.assertEqual([(r["line"], r["code"]) for r in reply.json["rejected"]],
                         [(3, "already_tracked"), (4, "already_tracked")],
                         "an object says which options are meant")
        self.assertEqual(self.daemon.get("known")["metadata"], {"order": 7})

    def test_lists_are_paged_newest_first(self):
        self.daemon.import_ids([f"p{n:03}" for n in range(25)])
        self.sandbox.set("p000", status="failed")
        seen, cursor, pages = [], "", 0
        while True:
            page = self.daemon.api("GET", "/v1/transactions?limit=10" + (f"&cursor={cursor}" if cursor else "")).json
            seen += [t["merchant_transaction_id"] for t in page["transactions"]]
            pages += 1
            cursor = page["next_cursor"]
            if cursor is None:
                break
        self.assertEqual(pages, 3)
        self.assertEqual(sorted(seen), [f"p{n:03}" for n in range(25)])
        self.daemon.wait_state("p000", "settled")
        only = self.daemon.api("GET", "/v1/transactions?state=settled&status=failed").json["transactions"]
        self.assertEqual([t["merchant_transaction_id"] for t in only], ["p000"])
        after = only[0]["settled_at"]
        self.assertEqual(len(self.daemon.api("GET", f"/v1/transactions?settled_before={after}").json["transactions"]),
                         0)

    def test_poll_now_polls_within_a_second(self):
        slow = self.start_sandbox(name="slow")
        slow.set("slow", status="pending")
        self.daemon.stop()
        self.sandbox = slow
        self.start_daemon([], poll={"interval": ["30s", "40s"]},
                          store={"path": str(self.folder / "state" / "second.db")})
        self.daemon.track("slow")
        wait_until(lambda: slow.polls("slow"), 5, "the first poll")
        time.sleep(1.1)
        self.assertEqual(self.daemon.api("POST", "/v1/transactions/slow/poll").status, 202)
        wait_until(lambda: len(slow.polls("slow")) == 2, 1, "the poll on demand")
        # A hint is a poll on demand, whatever else it says.
        time.sleep(1.1)
        slow.set("slow", status="completed")
        hint = {"event": "tx.update", "merchant_transaction_id": "slow", "status": "failed"}
        self.assertEqual(self.daemon.api("POST", "/v1/hints", hint).status, 202)
        self.assertEqual(self.daemon.wait_state("slow", "settled", 1)["status"], "completed")
        self.assertEqual(self.daemon.api("POST", "/v1/hints", {"merchant_transaction_id": "nobody"}).status, 404)

    def test_ids_of_any_allowed_shape(self):
        for identifier in (str(uuid.uuid4()), "03b22d25d523a5285", "~._-", "a" * 128, "...", "A.b"):
            self.sandbox.set(identifier, status="completed")
            self.daemon.track(identifier)
            self.daemon.wait_state(identifier, "settled")

    def test_status_counts(self):
        self.sandbox.set("s1", status="completed")
        self.daemon.track("s1")
        self.daemon.track("s2")
        self.daemon.wait_state("s1", "settled")
        status = self.daemon.status()
        self.assertEqual(status["transactions"]["by_state"]["settled"], 1)
        self.assertEqual(status["transactions"]["by_state"]["tracking"], 1)
        self.assertEqual(status["proof"]["health"], "ok")
        self.assertEqual(status["store"]["state"], "ok")
        self.assertEqual(status["callbacks"][0]["name"], "backend")
        self.assertEqual(status["events"]["last_seq"], 1)
        for target in ("/healthz", "/readyz"):
            self.assertEqual(self.daemon.api("GET", target).status, 200)
        metrics = self.daemon.api("GET", "/metrics")
        self.assertEqual(metrics.status, 200)
        self.assertIn(b'prooftrackd_transactions{state="settled",status="completed"} 1', metrics.body)
        openapi = self.daemon.api("GET", "/v1/openapi.json").json
        self.assertIn("/v1/transactions", openapi["paths"])

    def test_sigterm_ends_cleanly_and_a_restart_goes_on(self):
        self.daemon.track("t")
        wait_until(lambda: self.sandbox.polls("t"), 5, "a poll")
        self.assertEqual(self.daemon.stop(), 0)
        self.assertFalse((self.folder / "api.sock").exists(), "its own socket is removed")
        self.sandbox.set("t", status="completed")
        self.daemon.start()
        self.assertEqual(self.daemon.wait_state("t", "settled")["status"], "completed")
        for name in ("daemon.started", "daemon.stopping", "daemon.stopped", "transaction.tracked",
                     "transaction.settled"):
            self.assertTrue(self.daemon.logged(name), name)


if __name__ == "__main__":
    unittest.main()
