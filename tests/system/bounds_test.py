#!/usr/bin/env python3
"""Every bound of the local API is crossed once, and what is refused is refused with the word of
`daemon/docs/reference.md`."""

import json
import time
import unittest

from harness import SLACK, SystemCase, connect_unix, wait_until


class Bounds(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.start_daemon([])

    def post(self, body, **headers):
        return self.daemon.api("POST", "/v1/transactions", body, {k.replace("_", "-"): v for k, v in headers.items()})

    def test_ids(self):
        for identifier in ("", ".", "..", "a" * 129, "a b", "a/b", "é", "a%20b", "a?b", "a\nb"):
            self.assert_problem(self.post({"merchant_transaction_id": identifier}), 400, "invalid_request")
        self.assertEqual(self.post({"merchant_transaction_id": "a" * 128}).status, 201)
        for wrong in (None, 1, [], {}, True):
            self.assert_problem(self.post({"merchant_transaction_id": wrong}), 400, "invalid_request")
        self.assert_problem(self.post({}), 400, "invalid_request")

    def test_json_is_strict(self):
        for body in ("", "{", "[]", "null", '"x"', '{"merchant_transaction_id": "a"} x',
                     '{"merchant_transaction_id": "a",}',
                     '{"merchant_transaction_id": "a", "merchant_transaction_id": "a"}',
                     '{"merchant_transaction_id": "a", "unknown": 1}',
                     '{"merchant_transaction_id": "a", "metadata": {"x": NaN}}',
                     '{"merchant_transaction_id": "a", "metadata": {"x": 1e999}}',
                     '{"merchant_transaction_id": "a", "metadata": {"x": "\\ud800"}}',
                     '{"merchant_transaction_id": "a", "metadata": {"x": 1, "x": 2}}',
                     '{"merchant_transaction_id": "a", "metadata": {"x": ' + "[" * 40 + "]" * 40 + "}}",
                     '{"merchant_transaction_id": "a", "metadata": []}',
                     '{"merchant_transaction_id": "a", "metadata": "x"}'):
            self.assert_problem(self.post(body), 400, "invalid_request")
        self.assert_problem(self.post(b'{"merchant_transaction_id": "a", "metadata": {"x": "\xff"}}'), 400,
                            "invalid_request")
        self.assertEqual(self.daemon.api("GET", "/v1/transactions/a").status, 404, "nothing of it was taken")

    def test_metadata_size(self):
        fits = {"x": "y" * (4096 - len('{"x":""}'))}
        body = '{"merchant_transaction_id":"fits","metadata":' + json.dumps(fits, separators=(",", ":")) + "}"
        self.assertEqual(self.post(body).status, 201)
        fits["x"] += "y"
        body = '{"merchant_transaction_id":"over","metadata":' + json.dumps(fits, separators=(",", ":")) + "}"
        reply = self.post(body)
        self.assertIn(reply.status, (400, 413))

    def test_durations(self):
        for wrong in ("10", 10, "1y", "-5s", "", "5 s", "1.5h", "99999d"):
            self.assert_problem(self.post({"merchant_transaction_id": "d", "overdue_after": wrong}), 400,
                                "invalid_request")
        self.assertEqual(self.post({"merchant_transaction_id": "d", "overdue_after": "90m"}).status, 201)

    def test_callback_urls_are_refused_when_no_host_is_allowed(self):
        self.assert_problem(self.post({"merchant_transaction_id": "u", "callback_url": "https://shop.example/hook"}),
                            400,
                            "invalid_request")

    def test_bodies_and_headers(self):
        self.assert_problem(self.post("[" + " " * (1 << 20) + "]"), 413, "too_large")
        self.assert_problem(self.post('{"merchant_transaction_id": "c"}', Content_Type="text/plain"), 415,
                            "unsupported_media_type")
        self.assert_problem(self.daemon.api("GET", "/v1/status", headers={"X-Long": "x" * 17000}), 431,
                            "header_too_large")
        self.assert_problem(self.daemon.api("GET", "/v1/nowhere"), 404, "route_not_found")
        self.assert_problem(self.daemon.api("PATCH", "/v1/transactions"), 405, "method_not_allowed")

    def test_queries(self):
        for target in ("/v1/transactions?limit=0", "/v1/transactions?limit=1001", "/v1/transactions?limit=x",
                       "/v1/transactions?state=done",
                       "/v1/transactions?unknown=1", "/v1/transactions?cursor=nonsense",
                       "/v1/transactions?settled_after=yesterday",
                       "/v1/events?after=-1", "/v1/events?after=x", "/v1/events?limit=0", "/v1/events?wait=5",
                       "/v1/deliveries?state=lost"):
            self.assert_problem(self.daemon.api("GET", target), 400, "invalid_request")
        self.assert_problem(self.daemon.api("GET", "/v1/transactions/nobody"), 404, "unknown_transaction")
        self.daemon.track("there")
        self.assert_problem(self.daemon.api("GET", "/v1/transactions/there?wait=11m"), 400, "invalid_request")
        self.assert_problem(self.daemon.api("GET", "/v1/transactions/there?wait=30"), 400, "invalid_request")
        self.assert_problem(self.daemon.api("GET", "/v1/events?after=1000"), 410, "cursor_gone")

    def test_each_import_line_is_taken_or_reported(self):
        ndjson = {"Content-Type": "application/x-ndjson"}
        over = "".join(f'"l{n}"\n' for n in range(100_001))
        self.assert_problem(self.daemon.api("POST", "/v1/transactions", over, ndjson, timeout=120), 413, "too_large")
        self.assertEqual(self.daemon.api("GET", "/v1/transactions?limit=1").json["transactions"], [],
                         "nothing was taken")

    def test_a_request_that_stops_half_way_is_closed(self):
        client = connect_unix(self.daemon.socket, timeout=20)
        client.sendall(b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: "
                       b"application/json\r\nContent-Length: 100\r\n\r\n{")
        began = time.monotonic()
        answer = b""
        while True:
            piece = client.recv(65536)
            if not piece:
                break
            answer += piece
        self.assertLess(time.monotonic() - began, 12 + SLACK)
        self.assertGreater(time.monotonic() - began, 5)
        if answer:
            self.assertIn(b"408", answer.split(b"\r\n")[0])

    def test_pipelined_and_odd_requests(self):
        client = connect_unix(self.daemon.socket, timeout=10)
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/transactions/nobody HTTP/1.1\r\nHost: "
                       b"x\r\nConnection: close\r\n\r\n")
        answer = b""
        while True:
            piece = client.recv(65536)
            if not piece:
                break
            answer += piece
        self.assertLess(answer.find(b"HTTP/1.1 200"), answer.find(b"HTTP/1.1 404"))
        garbage = connect_unix(self.daemon.socket, timeout=10)
        garbage.sendall(b"\x16\x03\x01\x00garbage\r\n\r\n")
        self.assertTrue(garbage.recv(65536).startswith(b"HTTP/1.1 400"))
        self.assertEqual(self.daemon.api("GET", "/healthz").status, 200)


class FewClients(SystemCase):
    def test_the_longest_idle_makes_room_and_work_is_never_evicted(self):
        self.start_sandbox("--accept-any")
        self.start_daemon([], api={"max_clients": 4})
        self.daemon.track("w")
        waiting = self.daemon.connection(timeout=20)
        waiting.request("GET", "/v1/transactions/w?wait=4s")
        time.sleep(0.2)
        idle = []
        for _ in range(8):
            client = connect_unix(self.daemon.socket, timeout=5)
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(client.recv(65536).startswith(b"HTTP/1.1 200"))
            idle.append(client)
        self.assertEqual(idle[0].recv(1), b"", "the first idle one was closed")
        reply = waiting.getresponse()
        self.assertEqual(reply.status, 200)
        self.assertEqual(json.loads(reply.read())["merchant_transaction_id"], "w")
        wait_until(lambda: self.daemon.api("GET", "/healthz").status == 200, 5, "still answering")


if __name__ == "__main__":
    unittest.main()
