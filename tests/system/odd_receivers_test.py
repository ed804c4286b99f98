#!/usr/bin/env python3
"""Receivers as they are, over raw sockets: what counts as a receipt, and what an unasked reply must never become."""

import contextlib
import socket
import threading
import unittest

from harness import SystemCase, wait_until
from raw_server import RawServer


class RawReceiver(RawServer):
    """Answers each request by `script(connection, number of the request on it)`, which sends bytes as it likes."""

    def __init__(self, script):
        self.script, self.requests = script, 0
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def serve(self, connection):
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as reader:
            number = 0
            while (line := reader.readline()):
                length = 0
                while line not in (b"\r\n", b""):
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                    line = reader.readline()
                reader.read(length)
                self.requests += 1
                self.script(connection, number)
                number += 1


class OddReceivers(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")

    def start_with(self, script, **keys):
        receiver = RawReceiver(script)
        self.addCleanup(receiver.close)
        secrets = self.write_secret("raw.secret", ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
        self.start_daemon([{"name": "raw", "url": receiver.url, "secret_file": secrets, "retry_schedule": ["1h"],
                            **keys}])
        return receiver

    def complete(self, identifier):
        self.sandbox.set(identifier, status="completed")
        self.daemon.track(identifier)

    def attempted(self, count):
        def look():
            found = self.daemon.api("GET", "/v1/deliveries?limit=1000").json["deliveries"]
            return {one["merchant_transaction_id"]: one
                    for one in found} if sum(one["attempts"] for one in found) >= count else None
        return wait_until(look, 15, f"{count} attempts")

    def test_a_2xx_status_line_is_a_receipt(self):
        big = b"".join(b"X-%d: %s\r\n" % (n, b"t" * 500) for n in range(48))
        replies = [b"HTTP/1.1 200\r\n\r\n", b"HTTP/1.1 200\n\n",
                   b"HTTP/1.1 200 OK\r\nServer : x\r\nContent-Length: 0\r\n\r\n",
                   b"HTTP/1.1 200 OK\r\n" + big + b"Content-Length: 0\r\n\r\n", b"HTTP/1.1 204 No Content\nX: y\n\n",
                   b"HTTP/1.1 200 OK\r\n"]
        left = list(replies)

        def script(connection, _):
            connection.sendall(left.pop())
            connection.shutdown(socket.SHUT_WR)
        receiver = self.start_with(script)
        for n in range(len(replies)):
            self.complete(f"odd-{n}")
        found = self.attempted(len(replies))
        self.assertEqual({one["state"] for one in found.values()}, {"delivered"}, found)
        self.assertEqual(receiver.requests, len(replies))

    def test_a_receipt_does_not_wait_for_its_rest(self):
        hung = threading.Event()
        self.addCleanup(hung.set)

        def script(connection, _):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
            hung.wait(60)
        self.start_with(script, timeout="60s")
        self.complete("hangs")
        self.assertEqual(self.attempted(1)["hangs"]["state"], "delivered")

    def test_an_unexpected_reply_is_not_the_answer_to_the_next_event(self):
        def script(connection, number):
            ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            if receiver.requests == 1:
                connection.sendall(ok)
                connection.sendall(ok)
            else:
                connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
        receiver = self.start_with(script)
        self.complete("first")
        self.assertEqual(self.attempted(1)["first"]["state"], "delivered")
        self.complete("second")
        second = self.attempted(2)["second"]
        self.assertEqual((second["state"], second["last_status"]), ("pending", 500))
        self.assertEqual(receiver.connections, 2)


if __name__ == "__main__":
    unittest.main()
