#!/usr/bin/env python3
"""The sandbox's HTTP/2, as clients see it that others wrote: curl, nghttp and h2load, and a raw one for what they
would never send."""

import json
import re
import shutil
import socket
import ssl
import struct
import subprocess
import time
import unittest

from harness import SystemCase, wait_until

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
ENHANCE_YOUR_CALM = 11
# curl's exit codes
FRAMING, PARTIAL, STREAM = 16, 18, 92


def frame(kind, payload=b"", flags=0, stream=0):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def frames(data):
    """(kind, payload) of each whole frame."""
    while len(data) >= 9:
        length = int.from_bytes(data[:3], "big")
        yield data[3], data[9:9 + length]
        data = data[9 + length:]


def curl_speaks_http2():
    if not shutil.which("curl"):
        return False
    return "HTTP2" in subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout


class Http2Case(SystemCase):
    def curl(self, target, *arguments):
        """(exit status, version, HTTP status, body)"""
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "20", "--cacert", self.sandbox.ca_file, *arguments,
             "-H", f"Authorization: Bearer {self.sandbox.token}", "-w", "\n%{http_version} %{http_code}",
             self.sandbox.base_url + target], capture_output=True, timeout=30)
        body, _, tail = done.stdout.rpartition(b"\n")
        version, status = tail.decode().split()
        return done.returncode, version, int(status), body

    def stats(self):
        return json.loads(self.sandbox.control("GET", "stats").body)

    def connect(self, *protocols):
        """TLS to the sandbox, with these names in ALPN."""
        context = ssl.create_default_context(cafile=self.sandbox.ca_file)
        if protocols:
            context.set_alpn_protocols(protocols)
        host, port = self.sandbox.listen.rsplit(":", 1)
        stream = context.wrap_socket(socket.create_connection((host, int(port)), 10), server_hostname=host)
        self.addCleanup(stream.close)
        return stream


class Negotiation(Http2Case):
    def test_alpn_decides(self):
        self.start_sandbox("--accept-any")
        for offered, agreed in ((("h2",), "h2"), (("http/1.1", "h2"), "h2"), (("http/1.1",), "http/1.1"), ((), None),
                                (("spdy/3",), None)):
            self.assertEqual(self.connect(*offered).selected_alpn_protocol(), agreed, offered)
        stream = self.connect("spdy/3")
        stream.sendall(b"GET /sandbox/stats HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertTrue(stream.recv(100).startswith(b"HTTP/1.1 401 "))

    def test_http1_offers_nothing(self):
        self.start_sandbox("--accept-any", "--http1")
        self.assertIsNone(self.connect("h2", "http/1.1").selected_alpn_protocol())
        self.assertEqual(self.stats()["http2"], 0)

    def test_a_stop_ends_idle_connections_at_once(self):
        self.start_sandbox()
        stream = self.connect("h2")
        stream.sendall(PREFACE + frame(SETTINGS))
        wait_until(lambda: self.stats()["http2"] == 1, what="the connection")
        begun = time.monotonic()
        self.assertEqual(self.sandbox.stop(), 0)
        self.assertLess(time.monotonic() - begun, 3)


@unittest.skipUnless(curl_speaks_http2(), "a curl with HTTP/2 is needed")
class Curl(Http2Case):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")

    def test_every_endpoint_answers(self):
        code, version, status, body = self.curl("/widget/transactions/a")
        self.assertEqual((code, version, status), (0, "2", 200))
        self.assertEqual(json.loads(body)["merchant_transaction_id"], "a")
        order = json.dumps({"partner_user_id": "u", "user_email": "u@example.com", "currency": "USDT",
                            "fiat_currency": "EUR"})
        code, version, status, body = self.curl("/widget/session", "-d", order)
        self.assertEqual((code, version, status), (0, "2", 200))
        self.assertIn("init_token", json.loads(body))
        self.assertEqual(self.curl("/widget/users/u/kyc-status")[1:3], ("2", 200))
        self.assertEqual(self.curl("/nowhere")[1:3], ("2", 404))
        self.assertEqual(self.curl("/widget/transactions/a", "--http1.1")[1:3], ("1.1", 200))
        listed = [(e["path"], e["status"]) for e in json.loads(self.curl("/sandbox/log")[3])]
        self.assertIn(("/widget/session", 200), listed)
        self.assertEqual(len(listed), 5)

    def test_faults(self):
        poll = "/widget/transactions/a"
        whole = self.curl(poll)[3]
        half = whole[:len(whole) // 2]
        for fault, code, status, body in (
                ({"kind": "status", "status": 503}, 0, 503, None),
                ({"kind": "huge", "size": 2_000_000}, 0, 200, None),
                ({"kind": "truncate"}, STREAM, None, None),
                ({"kind": "close"}, PARTIAL, 0, b""),
                ({"kind": "close", "at": "header"}, PARTIAL, 0, b""),
                ({"kind": "close", "at": "body"}, PARTIAL, 200, half),
                ({"kind": "close", "at": "after"}, 0, 200, whole),
                ({"kind": "stall", "delay": "200ms"}, STREAM, 200, half),
                ({"kind": "stall", "at": "header", "delay": "200ms"}, PARTIAL, 0, b""),
                ({"kind": "stall", "at": "after", "delay": "10m"}, 0, 200, whole),
                ({"kind": "drip", "delay": "1ms"}, 0, 200, whole),
                ({"kind": "goaway", "error": "ENHANCE_YOUR_CALM"}, FRAMING, 0, b""),
                ({"kind": "goaway", "at": "after"}, 0, 200, whole),
                ({"kind": "goaway", "at": "body"}, PARTIAL, 200, half),
                ({"kind": "reset"}, STREAM, 0, b""),
                ({"kind": "reset", "at": "after"}, STREAM, None, None),
                ({"kind": "max_streams", "streams": 2}, 0, 200, whole)):
            with self.subTest(fault):
                self.sandbox.clear_faults()
                self.sandbox.fault(**fault, path=poll)
                seen = self.curl(poll)
                self.assertEqual(seen[0], code, seen)
                if status is not None:
                    self.assertEqual(seen[2], status)
                if body is not None:
                    self.assertEqual(seen[3], body)

    def test_a_fault_without_a_reply_ends_the_connection(self):
        for kind in ("garbage", "endless_header"):
            self.sandbox.fault(kind, count=1)
            self.assertNotEqual(self.curl("/widget/transactions/a")[0], 0)
            self.assertEqual(self.curl("/widget/transactions/a")[:3], (0, "2", 200))
        wait_until(lambda: self.stats()["connections"] == 1, what="the end of the connections")

    def test_a_client_of_http1_passes_by_the_faults_of_http2(self):
        for kind in ("goaway", "reset", "refuse_stream"):
            self.sandbox.clear_faults()
            self.sandbox.fault(kind, count=1)
            self.assertEqual(self.curl("/widget/transactions/a", "--http1.1")[:3], (0, "1.1", 200))
            self.assertEqual(len(json.loads(self.sandbox.control("GET", "faults").body)), 1)


@unittest.skipUnless(shutil.which("nghttp") and shutil.which("h2load"), "nghttp2-client is needed")
class Nghttp(Http2Case):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")

    def nghttp(self, *arguments):
        done = subprocess.run(
            ["nghttp", "-v", "-H", f"authorization: Bearer {self.sandbox.token}", *arguments,
             self.sandbox.base_url + "/widget/transactions/a"], capture_output=True, text=True, timeout=30)
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)

    def test_the_frames_of_a_poll(self):
        seen = self.nghttp()
        self.assertRegex(seen, r"\[SETTINGS_MAX_CONCURRENT_STREAMS\(0x03\):100\]")
        self.assertRegex(seen, r"recv \(stream_id=\d+\) x-request-id: req_[0-9a-f]{16}")
        self.assertIn('"merchant_transaction_id":"a"', seen)

    def test_the_errors_have_their_names(self):
        self.sandbox.fault("reset", error="ENHANCE_YOUR_CALM", count=1)
        self.assertRegex(self.nghttp(), r"recv RST_STREAM .*\n.*\(error_code=ENHANCE_YOUR_CALM\(0x0b\)\)")
        self.sandbox.fault("refuse_stream", count=1)
        self.assertRegex(self.nghttp(), r"recv RST_STREAM .*\n.*\(error_code=REFUSED_STREAM\(0x07\)\)")
        self.sandbox.fault("goaway", error="ENHANCE_YOUR_CALM", count=1)
        self.assertRegex(self.nghttp(), r"recv GOAWAY .*\n.*\(last_stream_id=0, error_code=ENHANCE_YOUR_CALM\(0x0b\)")
        self.sandbox.fault("max_streams", streams=2)
        self.assertRegex(self.nghttp(), r"\[SETTINGS_MAX_CONCURRENT_STREAMS\(0x03\):2\]")

    def test_many_requests_on_few_connections(self):
        accepted = self.stats()["accepted"]
        done = subprocess.run(
            ["h2load", "-n", "5000", "-c", "4", "-m", "80", "-H", f"authorization: Bearer {self.sandbox.token}",
             self.sandbox.base_url + "/widget/transactions/a"], capture_output=True, text=True, timeout=60)
        self.assertRegex(done.stdout, r"5000 succeeded, 0 failed, 0 errored, 0 timeout")
        self.assertRegex(done.stdout, r"status codes: 5000 2xx")
        # This one and the two of the counts, each on a connection of its own.
        self.assertEqual(self.stats()["accepted"] - accepted, 4 + 1)
        self.assertEqual(len(self.sandbox.log()), 5000)


class Raw(Http2Case):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.stream = self.connect("h2")
        self.stream.settimeout(20)

    def received(self):
        """Everything until the sandbox closes."""
        data = b""
        try:
            while piece := self.stream.recv(1 << 16):
                data += piece
        except (ConnectionError, ssl.SSLError):
            pass
        return data

    def test_a_flood_ends_the_connection(self):
        self.stream.sendall(PREFACE + frame(SETTINGS))
        pings = frame(PING, b"12345678") * 500
        try:
            for _ in range(60):
                self.stream.sendall(pings)
        except (ConnectionError, ssl.SSLError):
            pass  # it has had enough
        data = self.received()
        goaways = [payload for kind, payload in frames(data) if kind == GOAWAY]
        self.assertTrue(goaways)
        self.assertEqual(int.from_bytes(goaways[-1][4:8], "big"), ENHANCE_YOUR_CALM)
        self.stream.close()
        wait_until(lambda: self.stats()["connections"] == 1, what="its end")  # the one that asks is left

    def test_what_is_not_http2_ends_the_connection(self):
        self.stream.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertLessEqual({kind for kind, _ in frames(self.received())}, {SETTINGS})


if __name__ == "__main__":
    unittest.main()
