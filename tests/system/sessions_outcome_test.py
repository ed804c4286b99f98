#!/usr/bin/env python3
"""What became of a session request: when an Idempotency-Key is free again, when its outcome is unknown, and that Proof
is never asked twice."""

import http.client
import json
import signal
import socketserver
import threading
import unittest

from harness import SystemCase, wait_until

BODY = {"partner_user_id": "user_17", "user_email": "ada@shop.example", "currency": "USDT", "fiat_currency": "EUR",
        "fiat_amount": "49.90"}
PAGE = "<html><body>an error page of a gateway</body></html>"
GATEWAY_JSON = '{"timestamp":"2026-04-01T10:00:00Z","status":403,"error":"Not Allowed Here","path":"/widget/session"}'


class HeldProof:
    """A Proof that holds each session request until the test lets it go, and then sends the bytes it was given."""

    def __init__(self):
        self.arrived, self.go_on, self.asked = threading.Event(), threading.Event(), 0
        self.reply = self.http(201, json.dumps({"merchant_transaction_id": "held-1", "init_token": "secret-canary"}))
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                length, first = 0, self.rfile.readline()
                for line in iter(self.rfile.readline, b"\r\n"):
                    if not line:
                        return
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.rfile.read(length)
                if first.startswith(b"POST"):
                    outer.asked += 1
                    outer.arrived.set()
                    outer.go_on.wait(60)
                    self.wfile.write(outer.reply)
                else:
                    self.wfile.write(outer.http(404, '{"error":"not_found"}'))

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @staticmethod
    def http(status, body, headers=""):
        return (f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Connection: close\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode()

    def close(self):
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()


class Outcomes(SystemCase):
    def start(self, **sections):
        self.start_sandbox()
        return self.start_daemon(poll={"interval": ["5s", "10s"]}, **sections)

    def session(self, key=None, body=None, timeout=30):
        headers = {"Idempotency-Key": key} if key else {}
        return self.daemon.api("POST", "/v1/sessions", body or BODY, headers, timeout=timeout)

    def fault(self, status, **members):
        self.sandbox.fault("status", status=status, path="/widget/session", count=1, **members)

    def asked(self):
        return len([entry for entry in self.sandbox.log("/widget/session") if entry["method"] == "POST"])

    def session_reply(self, identifier):
        self.fault(200, body=json.dumps({"merchant_transaction_id": identifier, "init_token": "secret-canary"}))


class Keys(Outcomes):
    def test_what_is_no_definite_refusal_keeps_the_key_for_ever(self):
        self.start()
        faults = {"a gateway's 502": ("status", {"status": 502, "body": PAGE}),
                  "a gateway's 503": ("status", {"status": 503, "body": PAGE}),
                  "a gateway's 504": ("status", {"status": 504, "body": ""}),
                  "Proof's own 500": ("status", {"status": 500}),
                  "Proof's own 502": ("status", {"status": 502}),
                  "a gateway's 400": ("status", {"status": 400, "body": PAGE}),
                  "a firewall's 403": ("status", {"status": 403, "body": PAGE}),
                  "a gateway's 403 in JSON": ("status", {"status": 403, "body": GATEWAY_JSON}),
                  "a gateway's 429": ("status", {"status": 429, "body": '{"message":"slow down"}'}),
                  "a request timeout": ("status", {"status": 408}),
                  "a redirect": ("status", {"status": 302, "body": "",
                                            "headers": {"Location": "https://elsewhere.example/"}}),
                  "a redirect with Proof's body": ("status", {"status": 307}),
                  "a success without an id": ("status", {"status": 201, "body": "{}"}),
                  "a page with 200": ("status", {"status": 200, "body": PAGE}),
                  "a refusal with an id that cannot be": (
                      "status",
                      {"status": 422, "body": '{"error":"kyc_required","merchant_transaction_id":"a/b"}'}),
                  "no reply": ("close", {}), "half a reply": ("truncate", {}),
                  "bytes that are not HTTP": ("garbage", {})}
        for number, (what, (kind, members)) in enumerate(faults.items()):
            with self.subTest(what):
                self.sandbox.clear_log()
                self.sandbox.fault(kind, path="/widget/session", count=1, **members)
                first = self.session(f"key-{number}")
                self.assertGreaterEqual(first.status, 400, first)
                again = self.session(f"key-{number}")
                self.assert_problem(again, 409, "session_outcome_unknown")
                self.assertEqual(self.asked(), 1)
        self.sandbox.clear_log()
        self.daemon.kill()
        self.daemon.start()
        for number, what in enumerate(faults):
            with self.subTest(f"{what}, after a restart"):
                self.assert_problem(self.session(f"key-{number}"), 409, "session_outcome_unknown")
        self.assertEqual(self.asked(), 0)

    def test_a_definite_refusal_gives_the_key_back(self):
        self.start()
        for generation, extra in (("current", {}),
                                  ("first", {"body": '{"error":"rate_limit_exceeded","message":"slow '
                                                     'down","request_id":"r-1"}'})):
            for status in (400, 401, 403, 404, 409, 422, 429):
                with self.subTest(f"{status}, {generation}"):
                    self.fault(status, **extra)
                    key = f"{generation}-{status}"
                    self.assertEqual(self.session(key).status, status)
                    self.assertEqual(self.session(key, {**BODY, "fiat_amount": "12.00"}).status, 201)

    def test_a_timeout_after_the_request_was_sent_keeps_the_key(self):
        self.start(proof={"request_timeout": "300ms"})
        self.sandbox.fault("delay", delay="1s", path="/widget/session", count=1)
        self.assert_problem(self.session("slow"), 504, "proof_timeout")
        self.assert_problem(self.session("slow"), 409, "session_outcome_unknown")
        self.assertEqual(self.asked(), 1)

    def test_what_never_left_gives_the_key_back(self):
        self.start()
        self.sandbox.stop()
        self.assert_problem(self.session("unreachable"), 502, "proof_unreachable")
        self.sandbox.start()
        self.assertEqual(self.session("unreachable").status, 201)



class Held(Outcomes):
    def setUp(self):
        super().setUp()
        self.proof = HeldProof()
        self.addCleanup(self.proof.close)
        self.start_sandbox()
        self.replies = []

    def start_held(self, **sections):
        self.start_daemon(poll={"interval": ["5s", "10s"]}, proof={"base_url": self.proof.base_url, "ca_file": ""},
                          **sections)

    def ask_in_background(self, key):
        def call():
            try:
                self.replies.append(self.session(key))
            except (OSError, http.client.HTTPException):
                pass
        caller = threading.Thread(target=call)
        caller.start()
        return caller

    def ask_and_hold(self, key):
        caller = self.ask_in_background(key)
        self.assertTrue(self.proof.arrived.wait(20))
        return caller

    def test_one_key_at_once_is_one_session(self):
        self.start_held()
        callers = [self.ask_and_hold("both"), self.ask_in_background("both"), self.ask_in_background("both")]
        self.assert_problem(self.session("both", {**BODY, "fiat_amount": "1.00"}), 409, "idempotency_key_reused")
        self.proof.go_on.set()
        for caller in callers:
            caller.join(30)
        self.assertEqual([reply.status for reply in self.replies], [201] * 3)
        self.assertEqual(len({reply.body for reply in self.replies}), 1)
        self.assertEqual(self.proof.asked, 1)

    def test_a_kill_while_a_session_is_requested(self):
        self.start_held()
        caller = self.ask_and_hold("killed")
        self.daemon.kill()
        caller.join(30)
        self.daemon.start()
        self.proof.go_on.set()
        for _ in range(2):
            self.assert_problem(self.session("killed"), 409, "session_outcome_unknown")
        self.assertEqual(self.proof.asked, 1)

    def test_a_stop_waits_for_a_session_and_tracks_it(self):
        self.start_held(stop_timeout="30s")
        caller = self.ask_and_hold("stopping")
        self.daemon.process.signal(signal.SIGTERM)
        self.daemon.wait_log("daemon.stopping")
        self.proof.go_on.set()
        caller.join(30)
        self.assertEqual(self.daemon.process.wait(), 0)
        self.assertEqual([reply.status for reply in self.replies], [201], self.replies)
        self.daemon.start()
        self.assertEqual(self.daemon.get("held-1")["merchant_transaction_id"], "held-1")
        self.assertEqual(self.assert_problem(self.session("stopping"), 409,
                                             "session_replayed")["merchant_transaction_id"], "held-1")
        self.assertEqual(self.proof.asked, 1)

    def test_a_stop_tracks_a_session_whose_caller_has_gone(self):
        self.start_held(stop_timeout="30s")
        gone = self.daemon.connection()
        gone.request("POST", "/v1/sessions", body=json.dumps(BODY),
                     headers={"Content-Type": "application/json", "Idempotency-Key": "gone"})
        self.assertTrue(self.proof.arrived.wait(20))
        gone.close()
        self.daemon.process.signal(signal.SIGTERM)
        self.daemon.wait_log("daemon.stopping")
        wait_until(lambda: not self.daemon.answers(), 10, "the end of the socket")
        self.proof.go_on.set()
        self.assertEqual(self.daemon.process.wait(), 0)
        self.daemon.start()
        self.assertEqual(self.daemon.get("held-1")["merchant_transaction_id"], "held-1")
        self.assertEqual(self.assert_problem(self.session("gone"), 409, "session_replayed")["merchant_transaction_id"],
                         "held-1")

    def test_a_stop_that_gives_up_on_a_session_keeps_the_key(self):
        self.start_held(stop_timeout="200ms")
        caller = self.ask_and_hold("given-up")
        self.daemon.stop()
        caller.join(30)
        self.daemon.start()
        self.proof.go_on.set()
        self.assert_problem(self.session("given-up"), 409, "session_outcome_unknown")
        self.assertEqual(self.proof.asked, 1)

    def test_a_request_id_from_outside_is_escaped(self):
        odd = 'a"b\\c<d>","code":"ok'
        self.proof.reply = self.proof.http(400, '{"error":"invalid_request","message":"say \\"please\\""}',
                                           f"X-Request-Id: {odd}\r\n")
        self.proof.go_on.set()
        self.start_held()
        problem = self.assert_problem(self.session(), 400, "invalid_request")
        self.assertEqual(problem["request_id"], odd)
        self.assertEqual(problem["detail"], 'say "please"')


class Answers(Outcomes):
    def test_a_page_or_a_redirect_is_an_unusable_reply(self):
        self.start()
        for path, ask in (("/widget/session", self.session),
                          ("/widget/users/", lambda: self.daemon.api("GET", "/v1/users/user_17/kyc-status"))):
            for status, body in ((502, PAGE), (503, PAGE), (403, PAGE), (404, ""), (302, ""), (200, PAGE),
                                 (429, '{"message":"x"}')):
                with self.subTest(f"{path} {status}"):
                    self.sandbox.fault("status", status=status, body=body, path=path, count=1)
                    problem = self.assert_problem(ask(), 502, "proof_unusable_reply")
                    self.assertIn(str(status), problem["detail"])
                    self.assertTrue(problem["request_id"])

    def test_retry_after_is_passed_on(self):
        self.start()
        for path, ask in (("/widget/session", self.session),
                          ("/widget/users/", lambda: self.daemon.api("GET", "/v1/users/user_17/kyc-status"))):
            for status, body, answered in ((429, None, 429), (503, None, 503), (503, PAGE, 502)):
                extra = {} if body is None else {"body": body}
                self.sandbox.fault("status", status=status, retry_after="1800", path=path, count=1, **extra)
                reply = ask()
                self.assertEqual((reply.status, reply.headers.get("retry-after")), (answered, "1800"), reply)
            self.sandbox.fault("status", status=429, path=path, count=1)
            self.assertNotIn("retry-after", ask().headers)


class TrackedAlready(Outcomes):
    def test_other_options_are_a_conflict_and_the_key_knows(self):
        self.start()
        self.daemon.track("taken", metadata={"order": "A"})
        self.session_reply("taken")
        asking = {**BODY, "tracking": {"metadata": {"order": "B"}}}
        for _ in range(2):
            problem = self.assert_problem(self.session("key", asking), 409, "already_tracked")
            self.assertEqual(problem["merchant_transaction_id"], "taken")
        self.assertEqual(self.daemon.get("taken")["metadata"], {"order": "A"})
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.assert_problem(self.session("key", asking), 409,
                                             "session_replayed")["merchant_transaction_id"], "taken")
        self.assertEqual(self.asked(), 1)

    def test_the_same_options_or_none_are_no_conflict(self):
        self.start()
        self.daemon.track("same", metadata={"order": "A"})
        for tracking in ({"tracking": {"metadata": {"order": "A"}}}, {"tracking": {}}, {}):
            self.session_reply("same")
            self.assertEqual(self.session(None, {**BODY, **tracking}).status, 201)
        self.assertEqual(self.daemon.get("same")["metadata"], {"order": "A"})

    def test_one_that_has_ended(self):
        self.start()
        self.sandbox.set("ended", "failed")
        self.daemon.track("ended", metadata={"order": "A"})
        self.daemon.wait_state("ended", "settled")
        asking = {**BODY, "tracking": {"metadata": {"order": "B"}}}
        self.session_reply("ended")
        self.assert_problem(self.session(None, asking), 409, "already_tracked")
        self.session_reply("ended")
        self.assertEqual(self.session(None, {**BODY, "tracking": {"metadata": {"order": "A"}}}).status, 201)
        self.daemon.track("gone", metadata={"order": "A"})
        self.assertEqual(self.daemon.api("DELETE", "/v1/transactions/gone").status, 200)
        self.session_reply("gone")
        self.assertEqual(self.session(None, asking).status, 201)
        self.assertEqual((self.daemon.get("gone")["state"], self.daemon.get("gone")["metadata"]),
                         ("tracking", {"order": "B"}))


if __name__ == "__main__":
    unittest.main()
