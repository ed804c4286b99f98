#!/usr/bin/env python3
"""Replies that the sandbox is too well-behaved to send, byte for byte from a server of the test's own."""

import types
import unittest

from harness import SystemCase, wait_until
from raw_server import RawServer


class ScriptedProof(RawServer):
    """Plain HTTP on loopback. `scripts[id]` makes the bytes of a reply; the connection ends after one of `closing`."""

    def __init__(self):
        self.scripts, self.closing, self.asked = {}, set(), []
        super().__init__()

    def serve(self, client):
        with client, client.makefile("rb") as requests:
            try:
                while line := requests.readline():
                    while requests.readline() not in (b"\r\n", b""):
                        pass
                    identifier = line.split(b" ")[1].rsplit(b"/", 1)[1].decode()
                    self.asked.append(identifier)
                    client.sendall(self.scripts.get(identifier, lambda i: reply(document(i, "pending")))(identifier))
                    if identifier in self.closing:
                        return
            except OSError:
                return


def document(identifier, status="completed", more=b""):
    return b'{"merchant_transaction_id":"%s","status":"%s"%s}' % (identifier.encode(), status.encode(), more)


def reply(body, start=b"HTTP/1.1 200 OK", fields=b"", length=True):
    size = b"Content-Length: %d\r\n" % len(body) if length else b""
    return start + b"\r\nContent-Type: application/json\r\n" + fields + size + b"\r\n" + body


def chunked(body):
    pieces = [body[k:k + 7] for k in range(0, len(body), 7)]
    chunks = b"".join(b"%x;x=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return reply(chunks + b"0\r\nX-Trailer: 1\r\n\r\n", fields=b"Transfer-Encoding: chunked\r\n", length=False)


class Wire(SystemCase):
    def setUp(self):
        super().setUp()
        self.server, self.elsewhere = ScriptedProof(), ScriptedProof()
        self.addCleanup(self.server.close)
        self.addCleanup(self.elsewhere.close)
        (self.folder / "client_token").write_text("token\n")
        (self.folder / "client_token").chmod(0o600)
        self.sandbox = types.SimpleNamespace(base_url=f"http://127.0.0.1:{self.server.port}", folder=self.folder,
                                             ca_file="")

    def test_good_replies_in_odd_clothes_settle(self):
        escaped = "".join(f"\\u{ord(letter):04x}" for letter in "escaped")
        self.server.scripts = {
            "escaped": lambda i: reply(document(escaped)),
            "bom": lambda i: reply(b"\xef\xbb\xbf" + document(i)),
            "chunked": lambda i: chunked(document(i)),
            "interim": lambda i: b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" +
            reply(document(i)),
            "two": lambda i: reply(document(i)) + reply(document(i, "failed")),
            "close": lambda i: reply(document(i), fields=b"Connection: close\r\n"),
            "old": lambda i: reply(document(i), b"HTTP/1.0 200 OK", length=False),
            "to-the-end": lambda i: reply(document(i), length=False),
            "numbers": lambda i: reply(document(i, more=b',"n":12345678901234567890.10,"e":1e400,"x":1,"x":2')),
        }
        self.server.closing = {"close", "old", "to-the-end"}
        self.start_daemon([])
        self.daemon.import_ids(list(self.server.scripts))
        for name in self.server.scripts:
            shown = self.daemon.wait_state(name, "settled")
            self.assertEqual((shown["status"], shown["last_error"]), ("completed", None), name)
        self.assertIn(b'"n":12345678901234567890.10,"e":1e400,"x":1,"x":2',
                      self.daemon.api("GET", "/v1/transactions/numbers").body)

    def test_what_is_not_one_json_object_in_utf8_settles_nobody(self):
        location = f"Location: http://127.0.0.1:{self.elsewhere.port}/\r\n".encode()
        self.server.scripts = {
            "two-boms": lambda i: reply(b"\xef\xbb\xbf\xef\xbb\xbf" + document(i)),
            "not-utf8": lambda i: reply(document(i, more=b',"x":"\xff"')),
            "overlong": lambda i: reply(document(i, more=b',"x":"\xc0\xaf"')),
            "nul": lambda i: reply(document(i) + b"\0"),
            "nul-in-id": lambda i: reply(document(i + "\\u0000")),
            "deep": lambda i: reply(document(i, more=b',"x":' + b"[" * 20_000 + b"]" * 20_000)),
            "twice-escaped": lambda i: reply(document(i, more=b',"st\\u0061tus":"completed"')),
            "other-case": lambda i: reply(document(i.upper())),
            "smuggled": lambda i: reply(document(i), fields=b"Transfer-Encoding: chunked\r\n"),
            "upgrade": lambda i: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + reply(document(i)),
            "moved": lambda i: reply(document(i), b"HTTP/1.1 301 Moved", location),
        }
        self.start_daemon([])
        # Healthy ones beside them: the faults are not Proof's health.
        self.daemon.import_ids([f"well{n}" for n in range(20)] + list(self.server.scripts))
        for name in self.server.scripts:
            wait_until(lambda: self.server.asked.count(name) >= 2, 30, f"{name} asked again")
            shown = self.daemon.get(name)
            self.assertEqual((shown["state"], shown["status"]), ("tracking", None), name)
            self.assertTrue(shown["last_error"], name)
        self.assertEqual(self.elsewhere.connections, 0, "the token is sent to nobody else")
        names, self.server.scripts = list(self.server.scripts), {}
        for name in names:
            wait_until(lambda: self.daemon.get(name)["status"] == "pending", 30, f"{name} is answered")


if __name__ == "__main__":
    unittest.main()
