"""HTTP over a Unix socket, for tests that speak to the daemon as any client does."""

import http.client
import json
import socket
import struct


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


def connect_unix(path, timeout=30):
    """A connected socket. Waits for room in the listener's backlog, which a socket with Python's timeout does not."""
    made = socket.socket(socket.AF_UNIX)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(timeout), int(timeout % 1 * 1e6)))
        made.connect(str(path))
    except OSError:
        made.close()
        raise
    made.settimeout(timeout)
    return made


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = connect_unix(self.path, self.timeout)


def exchange(connection, method, target, body=None, headers=None):
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    sent = dict(headers or {})
    if body is not None:
        sent.setdefault("Content-Type", "application/json")
    connection.request(method, target, body=body, headers=sent)
    reply = connection.getresponse()
    return Response(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
