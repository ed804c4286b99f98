#!/usr/bin/env python3
"""`webhook-sequence`, by which a receiver orders the events of a transaction, and the `traceparent` of the request that
tracked an id: in every attempt, over every kind of callback, through crashes and through a new tracking."""

import stat
import unittest

from harness import SystemCase, parse_time, wait_until

FIRST = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SECOND = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def child_of(traceparent, event_id):
    return f"{traceparent[:36]}{event_id[-16:]}{traceparent[52:]}"


class Sequence(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")

    def track(self, identifier, traceparent=None, expect=201, **options):
        headers = {"traceparent": traceparent} if traceparent else {}
        reply = self.daemon.api("POST", "/v1/transactions", {"merchant_transaction_id": identifier, **options}, headers)
        self.assertEqual(reply.status, expect, reply)

    def attempts(self, receiver, identifier, kind, count=1):
        def found():
            all_of = [d for d in receiver.of(identifier) if d.event["type"] == f"transaction.{kind}"]
            return all_of if len(all_of) >= count else None
        return wait_until(found, 20, f"{count} attempts of {kind}")

    def test_it_increases_over_attempts_a_crash_and_a_new_tracking_and_the_trace_is_that_of_its_own_tracking(self):
        receiver = self.start_receiver()
        receiver.answer = lambda delivery: 500
        daemon = self.start_daemon([self.callback(receiver, retry_schedule=["200ms"] + ["1s"] * 50)])
        self.track("t", FIRST, overdue_after="1s")
        first = self.attempts(receiver, "t", "overdue", 2)
        daemon.kill()
        daemon.start()
        self.assertEqual(daemon.api("DELETE", "/v1/transactions/t").status, 200)
        self.track("t", SECOND)
        self.sandbox.set("t", status="completed")
        daemon.wait_state("t", "settled")
        first += self.attempts(receiver, "t", "overdue", len(first) + 1)
        receiver.answer = lambda delivery: 204
        last = self.attempts(receiver, "t", "completed")
        first = self.attempts(receiver, "t", "overdue")

        for attempts, traceparent in ((first, FIRST), (last, SECOND)):
            event = attempts[0].event
            self.assertEqual({d.headers["traceparent"] for d in attempts}, {child_of(traceparent, event["id"])})
            self.assertEqual({d.headers["webhook-sequence"] for d in attempts},
                             {str(round(parse_time(event["timestamp"]) * 1000))})
            self.assertEqual(len({d.body for d in attempts}), 1)
            self.assertTrue(all(d.verified for d in attempts))
        self.assertLess(int(first[0].headers["webhook-sequence"]), int(last[0].headers["webhook-sequence"]))

        for event, at, traceparent in (
                ("transaction.tracked", 0, FIRST), ("transaction.tracked", 1, SECOND),
                ("transaction.overdue", 0, first[0].headers["traceparent"]),
                ("callback.failed", 0, first[0].headers["traceparent"]),
                ("transaction.settled", 0, last[0].headers["traceparent"]),
                ("callback.delivered", -1, last[0].headers["traceparent"])):
            with self.subTest(f"{event} {at}"):
                lines = daemon.wait_log(event, 2 if event in ("transaction.tracked", "callback.delivered") else 1)
                self.assertEqual(lines[at].get("traceparent"), traceparent)

    def test_an_import_and_a_session_have_one_and_a_value_that_is_none_is_ignored(self):
        receiver = self.start_receiver()
        daemon = self.start_daemon([self.callback(receiver)])
        for identifier in ("one", "two", "bare", "forged", "many"):
            self.sandbox.set(identifier, status="completed")
        reply = daemon.api("POST", "/v1/transactions", "one\ntwo\n",
                           {"Content-Type": "application/x-ndjson", "traceparent": FIRST})
        self.assertEqual(reply.json["created"], 2, reply)
        self.track("bare")
        self.track("forged", FIRST.upper())
        self.track("many", f"{FIRST}, {SECOND}")
        body = {"partner_user_id": "user_17", "user_email": "a@shop.example", "currency": "USDT",
                "fiat_currency": "EUR", "fiat_amount": "49.90"}
        session = daemon.api("POST", "/v1/sessions", body, {"traceparent": SECOND})
        self.assertEqual(session.status, 201, session)
        session_id = session.json["merchant_transaction_id"]
        for identifier, traceparent in (("one", FIRST), ("two", FIRST), (session_id, SECOND)):
            told = self.attempts(receiver, identifier, "completed")[0]
            self.assertEqual(told.headers["traceparent"], child_of(traceparent, told.event_id), identifier)
        for identifier in ("bare", "forged", "many"):
            told = self.attempts(receiver, identifier, "completed")[0]
            self.assertNotIn("traceparent", told.headers, identifier)
            self.assertIn("webhook-sequence", told.headers)
        test = daemon.api("POST", "/v1/callbacks/backend/test")
        self.assertEqual(test.json["status"], 204, test)
        self.assertGreater(int(receiver.events("callback.test")[0].headers["webhook-sequence"]), 0)

    def test_unix_sockets_and_commands_have_it_as_well(self):
        receiver = self.start_receiver(unix=True)
        out, script = self.folder / "environment", self.folder / "credit"
        script.write_text(f'#!/bin/sh\ncat > /dev/null\nenv > "{out}.new"\nmv "{out}.new" "{out}"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        self.start_daemon([self.callback(receiver), {"name": "ledger", "command": [str(script)]}])
        self.sandbox.set("t", status="completed")
        self.track("t", FIRST)
        told = self.attempts(receiver, "t", "completed")[0]
        wanted = child_of(FIRST, told.event_id)
        self.assertEqual(told.headers["traceparent"], wanted)
        self.assertEqual(told.headers["webhook-sequence"], str(round(parse_time(told.event["timestamp"]) * 1000)))
        wait_until(out.exists, 10, "the command")
        self.assertIn(f"PROOFTRACK_TRACEPARENT={wanted}\n", out.read_text())
        logged = self.daemon.wait_log("callback.delivered", 2)
        self.assertEqual({line["traceparent"] for line in logged}, {wanted})


if __name__ == "__main__":
    unittest.main()
