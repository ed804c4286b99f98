#!/usr/bin/env python3
"""Sessions and KYC: Proof's reply byte for byte, and its id tracked before anybody sees it."""

import json
import threading
import unittest

from harness import SystemCase, wait_until

FIRST = {"partner_user_id": "user_17", "user_email": "ada@shop.example", "currency": "USDT", "fiat_currency": "EUR",
         "fiat_amount": "49.90"}
CURRENT = {"partner_user_id": "user_17", "user_email": "ada@shop.example", "currency": "USDT", "network": "TRC20",
           "amount": "49.90"}


class Sessions(SystemCase):
    """Over HTTP/2, as the sandbox offers it."""
    http = ()

    def setUp(self):
        super().setUp()
        self.start_sandbox(*self.http)
        self.receiver = self.start_receiver()
        self.start_daemon([self.callback(self.receiver)])

    def session(self, body, **headers):
        return self.daemon.api("POST", "/v1/sessions", body, {k.replace("_", "-"): v for k, v in headers.items()})

    def test_both_generations_are_tracked_to_their_end(self):
        for body, token_type in ((FIRST, "sdk_customer_token"), (CURRENT, "sdk_partner_authorization")):
            reply = self.session({**body, "tracking": {"metadata": {"order": "A-17"}}})
            self.assertEqual(reply.status, 201, reply)
            self.assertEqual(reply.json["init_token_type"], token_type)
            identifier = reply.json["merchant_transaction_id"]
            self.assertEqual(self.daemon.get(identifier)["metadata"], {"order": "A-17"})
            self.daemon.wait_state(identifier, "settled", 15)
            wait_until(lambda: self.receiver.of(identifier), 10, "the callback")
            self.assertNotIn(reply.json["init_token"], self.daemon.process.output())
        self.assertNotIn("ada@shop.example", self.daemon.process.output())

    def test_the_reply_is_byte_for_byte(self):
        replies = [(FIRST, '{ "z":"\\u00fc\u00fc",\n\t"merchant_transaction_id" : "odd-1", "amount": 1.10, '
                           '"signature":"v2:00" , "init_token": "secret-canary",'
                           ' "nested": {"b":1,"a":[ ]} }'),
                   (CURRENT, '\r\n{"network":"TRC20","fix_amount" :true,"lang":"\u65e5\u672c '
                             '\U0001f6d2","big":12345678901234567890123 , "init_token":"secret-canary"\n,'
                             '"e":1E400,"merchant_transaction_id":"odd-2","networks":[ "TRC20" ,"TON"],"new": '
                             'null,"escaped\\/":"\\ud83d\\uded2" }  \n')]
        for number, (body, raw) in enumerate(replies, 1):
            self.sandbox.fault("status", status=200, body=raw, path="/widget/session", count=1)
            reply = self.session(body)
            self.assertEqual(reply.status, 201, reply)
            self.assertEqual(reply.body, raw.encode())
            self.assertEqual(self.daemon.get(f"odd-{number}")["state"], "tracking")
        self.assertNotIn("secret-canary", self.daemon.process.output())
        for path in (self.folder / "state").iterdir():
            self.assertNotIn(b"secret-canary", path.read_bytes(), path)
            self.assertNotIn(b"ada@shop.example", path.read_bytes(), path)

    def test_a_refusal_that_holds_session_parameters_is_tracked_and_passed_as_it_is(self):
        raw = ('{ "error":"kyc_required", "code":"kyc_required","message":"verify first", '
               '"merchant_transaction_id":"kyc-1" ,"init_token":"secret-canary","signature":"v2:00"}')
        self.sandbox.fault("status", status=422, body=raw, path="/widget/session", count=1)
        reply = self.session(FIRST)
        self.assertEqual((reply.status, reply.body), (422, raw.encode()))
        self.assertEqual(self.daemon.get("kyc-1")["state"], "tracking")

    def test_proofs_errors_are_passed_on(self):
        self.assert_problem(self.session({**FIRST, "currency": "BTC"}), 400, "unsupported_currency")
        for status, code in ((403, "forbidden_origin"), (429, "rate_limit_exceeded"), (500, "internal_error"),
                             (502, "upstream_unavailable")):
            self.sandbox.fault("status", status=status, path="/widget/session", count=1)
            reply = self.session(FIRST)
            self.assertEqual(reply.status, status, reply)
            self.assertEqual(reply.json["code"], code)
        self.assertEqual(self.daemon.status()["transactions"]["by_state"].get("tracking", 0), 0)

    def test_unusable_replies_are_502(self):
        for fault in ({"status": 200, "body": "{}"}, {"status": 200, "body": "nonsense"},
                      {"status": 200, "body": '{"merchant_transaction_id": "a/b"}'}):
            self.sandbox.fault("status", path="/widget/session", count=1, **fault)
            self.assert_problem(self.session(FIRST), 502, "proof_unusable_reply")

    def test_a_session_is_never_requested_twice(self):
        for kind in ("close", "truncate", "garbage"):
            self.sandbox.clear_log()
            self.sandbox.fault(kind, path="/widget/session", count=1)
            reply = self.session(FIRST)
            self.assertIn(reply.status, (502, 504), reply)
            self.assertEqual(len(self.sandbox.log("/widget/session")), 1, kind)

    def test_tracking_is_checked_before_the_session_is_requested(self):
        for tracking in ({"unknown": 1}, {"metadata": []}, {"overdue_after": "soon"},
                         {"callback_url": "https://elsewhere.example/"}, [], "x"):
            self.assert_problem(self.session({**FIRST, "tracking": tracking}), 400, "invalid_request")
        self.assertEqual(self.sandbox.log("/widget/session"), [])

    def test_what_goes_to_proof_is_what_came(self):
        # An unknown field is Proof's business.
        self.assertEqual(self.session({**FIRST, "something_new": {"a": [1, 2]}}).status, 201)

    def test_many_at_once_are_all_tracked(self):
        replies = []

        def ask():
            replies.append(self.session(FIRST))
        threads = [threading.Thread(target=ask) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({r.status for r in replies}, {201})
        identifiers = {r.json["merchant_transaction_id"] for r in replies}
        self.assertEqual(len(identifiers), 40)
        for identifier in identifiers:
            self.daemon.get(identifier)

    def test_idempotency_keys(self):
        first = self.session(FIRST, Idempotency_Key="order-17")
        self.assertEqual(first.status, 201)
        again = self.session(FIRST, Idempotency_Key="order-17")
        self.assertEqual(again.body, first.body)
        self.assertEqual(len(self.sandbox.log("/widget/session")), 1)
        self.assertEqual(self.session({**FIRST, "fiat_amount": "1.00"}, Idempotency_Key="order-17").status, 409)
        self.daemon.kill()
        self.daemon.start()
        later = self.session(FIRST, Idempotency_Key="order-17")
        self.assertEqual(later.status, 409)
        self.assertIn(first.json["merchant_transaction_id"], later.body.decode())
        self.assertEqual(len(self.sandbox.log("/widget/session")), 1)

    def test_kyc_is_passed_through(self):
        self.sandbox.control("PUT", "users/user_17", {"status": "verified"})
        reply = self.daemon.api("GET", "/v1/users/user_17/kyc-status")
        self.assertEqual(reply.status, 200)
        self.assertEqual((reply.json["partner_user_id"], reply.json["status"]), ("user_17", "verified"))
        self.assertEqual(self.daemon.api("GET", "/v1/users/nobody/kyc-status").json["status"], "not_started")
        self.sandbox.fault("status", status=500, path="/widget/users/", count=1)
        self.assertEqual(self.daemon.api("GET", "/v1/users/user_17/kyc-status").status, 500)

    def test_an_unreachable_proof_is_reported(self):
        self.sandbox.stop()
        reply = self.session(FIRST)
        self.assert_problem(reply, 502, "proof_unreachable")
        self.assertEqual(self.daemon.api("GET", "/v1/users/u/kyc-status").json["code"], "proof_unreachable")
        self.assertTrue(json.loads(reply.body)["detail"])


class SessionsOverHttp11(Sessions):
    http = ("--http1",)


if __name__ == "__main__":
    unittest.main()
