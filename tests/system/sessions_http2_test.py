#!/usr/bin/env python3
"""Sessions and KYC over HTTP/2: what the server certainly did not process is sent once more, and nothing else is."""

import json
import unittest

from harness import SystemCase

ORDER = {"partner_user_id": "user_17", "user_email": "ada@shop.example", "currency": "USDT", "network": "TRC20",
         "amount": "49.90"}
SESSION = "/widget/session"
KYC = "/widget/users/"


class SessionsOverHttp2(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox()
        self.start_daemon()

    def session(self, key=None):
        return self.daemon.api("POST", "/v1/sessions", ORDER, {"Idempotency-Key": key} if key else {})

    def kyc(self):
        return self.daemon.api("GET", "/v1/users/user_17/kyc-status")

    def strike(self, kind, path=SESSION, **members):
        """The next request alone, unless `members` say otherwise; what came before is forgotten."""
        self.sandbox.clear_faults()
        self.sandbox.clear_log()
        self.sandbox.fault(kind, path=path, **{"count": 1, **members})

    def seen(self, path=SESSION):
        return len(self.sandbox.log(path))

    def connections(self):
        """How many agreed on HTTP/2."""
        return json.loads(self.sandbox.control("GET", "stats").body)["http2"]

    def test_they_go_over_http2(self):
        self.assertEqual(self.kyc().status, 200)
        self.assertEqual(self.connections(), 1)
        self.assertEqual(self.session().status, 201)
        self.assertGreaterEqual(self.connections(), 2, "the session's; its id is polled over another")

    def test_what_the_server_did_not_process_is_sent_once_more(self):
        for kind in ("goaway", "refuse_stream"):
            with self.subTest(kind):
                self.strike(kind)
                reply = self.session(f"order-{kind}")
                self.assertEqual(reply.status, 201, reply)
                self.assertEqual(self.seen(), 2)
                self.daemon.get(reply.json["merchant_transaction_id"])
                self.strike(kind, KYC)
                self.assertEqual(self.kyc().status, 200)
                self.assertEqual(self.seen(KYC), 2)

    def test_what_is_refused_twice_was_not_made_and_its_key_is_free(self):
        for kind in ("goaway", "refuse_stream"):
            with self.subTest(kind):
                self.strike(kind, count=2)
                self.assert_problem(self.session(f"order-{kind}"), 502, "proof_unreachable")
                self.assertEqual(self.seen(), 2)
                self.assertEqual(self.session(f"order-{kind}").status, 201)
                self.assertEqual(self.seen(), 3)

    def test_http_1_1_is_spoken_where_it_is_required(self):
        self.strike("reset", error="HTTP_1_1_REQUIRED")
        self.assert_problem(self.session("order-1"), 502, "proof_unreachable")
        self.assert_problem(self.session("order-1"), 409, "session_outcome_unknown")
        self.assertEqual(self.seen(), 1, "nothing says that it was not processed")
        before = self.connections()
        self.assertEqual(self.session().status, 201)
        self.assertEqual(self.session().status, 201)
        self.assertEqual(self.connections() - before, 0, "HTTP/2 is not offered again")

    def test_what_a_goaway_leaves_out_was_not_made_whatever_its_reason(self):
        self.strike("goaway", error="ENHANCE_YOUR_CALM")
        self.assert_problem(self.session("order-1"), 502, "proof_unreachable")
        self.assertEqual(self.session("order-1").status, 201, "its key is free")

    def test_what_may_have_been_processed_is_never_sent_again(self):
        lost = [("close", {}), ("close", {"at": "header"}), ("close", {"at": "body"}), ("goaway", {"at": "header"}),
                ("goaway", {"at": "body"}), ("reset", {}), ("reset", {"at": "body"}), ("truncate", {}),
                ("garbage", {}), ("reset", {"error": "ENHANCE_YOUR_CALM"})]
        for number, (kind, members) in enumerate(lost):
            with self.subTest(kind, **members):
                self.assertEqual(self.kyc().status, 200, "HTTP/2 works, so that it is not given up")
                self.strike(kind, **members)
                reply = self.session(f"order-{number}")
                self.assertIn(reply.status, (502, 504), reply)
                again = self.session(f"order-{number}")
                self.assert_problem(again, 409, "session_outcome_unknown")
                self.assertEqual(self.seen(), 1)
                self.strike(kind, KYC, **members)
                self.assertNotEqual(self.kyc().status, 200)
                self.assertEqual(self.seen(KYC), 1)

    def test_a_goaway_behind_the_reply_takes_nothing_away(self):
        self.strike("goaway", at="after")
        self.assertEqual(self.session().status, 201)
        self.assertEqual(self.seen(), 1)


if __name__ == "__main__":
    unittest.main()
