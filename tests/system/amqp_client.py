"""As much of AMQP 0-9-1 as it takes to prepare a broker and to empty its queues: one channel, one call at a time."""

import socket
import struct
from types import SimpleNamespace

METHOD, HEADER, BODY = 1, 2, 3
PROPERTIES = ("content_type", "content_encoding", "headers", "delivery_mode", "priority", "correlation_id", "reply_to",
              "expiration", "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id")
NUMBERS = {"delivery_mode": ">B", "priority": ">B", "timestamp": ">Q"}


class AmqpError(Exception):
    pass


def short(text):
    encoded = text.encode()
    return bytes([len(encoded)]) + encoded


def long(content):
    return struct.pack(">I", len(content)) + content


def table(members):
    out = b""
    for name, value in members.items():
        is_number = isinstance(value, int)
        out += short(name) + (b"I" + struct.pack(">i", value) if is_number else b"S" + long(value.encode()))
    return long(out)


class Reader:
    def __init__(self, content):
        self.content = content

    def take(self, size):
        taken, self.content = self.content[:size], self.content[size:]
        return taken

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def short(self):
        return self.take(self.number(">B")).decode()

    def table(self):
        inside, found = Reader(self.take(self.number(">I"))), {}
        while inside.content:
            name, kind = inside.short(), inside.take(1)
            if kind == b"S":
                found[name] = inside.take(inside.number(">I")).decode()
            elif kind in b"lI":
                found[name] = inside.number(">q" if kind == b"l" else ">i")
            else:
                raise AmqpError(f"a header of the kind {kind}")
        return found

    def properties(self):
        flags, found = self.number(">H"), {}
        for bit, name in zip(range(15, 1, -1), PROPERTIES):
            if flags & 1 << bit:
                found[name] = (self.table() if name == "headers" else self.number(NUMBERS[name]) if name in NUMBERS
                               else self.short())
        return SimpleNamespace(**found)


class AmqpClient:
    def __init__(self, port, user, password):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.stream = self.socket.makefile("rwb")
        try:
            self.log_in(user, password)
        except BaseException:
            self.close()
            raise

    def log_in(self, user, password):
        self.stream.write(b"AMQP\0\0\x09\x01")
        self.stream.flush()
        self.expect(10, 10)
        self.send(10, 11, table({}), short("PLAIN"), long(f"\0{user}\0{password}".encode()), short("en_US"), channel=0)
        tune = self.expect(10, 30)
        self.send(10, 31, struct.pack(">HIH", tune.number(">H"), tune.number(">I"), 0), channel=0)  # no heartbeats
        self.send(10, 40, short("/"), short(""), b"\0", channel=0)
        self.expect(10, 41)
        self.call(20, 10, short(""))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.stream.close()
        except OSError:  # what was not written yet
            pass
        self.socket.close()

    def send(self, group, method, *arguments, channel=1):
        payload = struct.pack(">HH", group, method) + b"".join(arguments)
        self.stream.write(struct.pack(">BHI", METHOD, channel, len(payload)) + payload + b"\xce")
        self.stream.flush()

    def frame(self, wanted):
        head = self.stream.read(7)
        if len(head) < 7:
            raise AmqpError("the broker closed the connection")
        kind, _, size = struct.unpack(">BHI", head)
        payload = Reader(self.stream.read(size + 1)[:-1])
        if kind != wanted:
            raise AmqpError(f"a frame of the kind {kind}")
        return payload

    def expect(self, group, *methods):
        """The arguments of the method that comes, which is one of these; `method` says which."""
        arguments = self.frame(METHOD)
        got = arguments.number(">H"), arguments.number(">H")
        if got[0] != group or got[1] not in methods:
            raise AmqpError(f"method {got}: {arguments.content!r}")
        arguments.method = got[1]
        return arguments

    def call(self, group, method, *arguments):
        self.send(group, method, *arguments)
        return self.expect(group, method + 1)

    def declare_exchange(self, name, kind):
        self.call(40, 10, b"\0\0", short(name), short(kind), b"\2", table({}))  # durable

    def declare_queue(self, name, **arguments):
        arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
        self.call(50, 10, b"\0\0", short(name), b"\2", table(arguments))

    def bind(self, queue, exchange, key):
        self.call(50, 20, b"\0\0", short(queue), short(exchange), short(key), b"\0", table({}))

    def get(self, queue):
        """The next message as (routing key, properties, body), taken from the queue; None when it is empty."""
        self.send(60, 70, b"\0\0", short(queue), b"\1")
        head = self.expect(60, 71, 72)
        if head.method == 72:
            return None
        head.take(9)
        head.short()
        key, content = head.short(), self.frame(HEADER)
        content.take(4)
        size, properties, body = content.number(">Q"), content.properties(), b""
        while len(body) < size:
            body += self.frame(BODY).content
        return key, properties, body
