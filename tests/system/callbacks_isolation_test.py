#!/usr/bin/env python3
"""Twenty callbacks, of which five hang, five answer 500 and five are closed ports: the healthy five notice nothing.

PROOFTRACK_ISOLATION_EVENTS=10000 is the run whose figures are published; tests/run makes a short one.
"""

import asyncio
import multiprocessing
import os
import re
import socket
import time
import unittest

from harness import SANITIZED, SystemCase, new_secret, parse_time, wait_until

EVENTS = int(os.environ.get("PROOFTRACK_ISOLATION_EVENTS", "1000"))
RATE = 100 if SANITIZED else 500  # events a second
BATCH = RATE // 20
TIMESTAMP = re.compile(rb'"timestamp":\s*"([^"]+)"')
EVENT_ID = re.compile(rb"(?i)\r\nwebhook-id: *([^\r]+)")
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Backend(asyncio.Protocol):
    """A receiver that does nothing but note when a body was whole."""

    def __init__(self, answer, taken):
        self.answer, self.taken, self.buffer = answer, taken, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        while True:
            head = self.buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            end = head + 4 + int(LENGTH.search(self.buffer[:head + 2]).group(1))
            if len(self.buffer) < end:
                return
            if self.taken is not None:
                identifier = EVENT_ID.search(self.buffer[:head + 2]).group(1)
                self.taken.append((time.time(), identifier, TIMESTAMP.search(self.buffer, head).group(1)))
            self.buffer = self.buffer[end:]
            if self.answer:
                self.transport.write(self.answer)


def serve(ports, pipe):
    """The process of all receivers: a processor of its own, as the merchant's would be."""
    taken = [[] for _ in range(5)]

    async def run():
        loop = asyncio.get_running_loop()
        for number, listener in enumerate(ports):
            answer = (b"HTTP/1.1 204 No Content\r\n\r\n", None,
                      b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")[number // 5]
            notes = taken[number] if number < 5 else None
            await loop.create_server(lambda answer=answer, notes=notes: Backend(answer, notes), sock=listener,
                                     backlog=256)
        while True:
            await loop.run_in_executor(None, pipe.recv)
            pipe.send([len(notes) for notes in taken])
            if all(len(notes) >= EVENTS for notes in taken):
                pipe.send(taken)
                return

    try:
        asyncio.run(run())
    except (EOFError, OSError):
        pass


class Isolation(SystemCase):
    def start_receivers(self):
        listeners = [socket.create_server(("127.0.0.1", 0), backlog=256) for _ in range(15)]
        closed = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
        ports = [one.getsockname()[1] for one in listeners + closed]
        for one in closed:
            one.close()
        self.pipe, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=serve, args=(listeners, theirs), daemon=True)
        process.start()
        self.addCleanup(process.join, 10)
        self.addCleanup(process.kill)
        for one in listeners:
            one.close()
        theirs.close()
        secret_file = self.write_secret("secret", [new_secret()])
        kinds = ("healthy", "hanging", "refusing", "closed")
        return [{"name": f"{kinds[n // 5]}{n % 5}", "url": f"http://127.0.0.1:{port}/hook", "secret_file": secret_file}
                for n, port in enumerate(ports)]

    def counts(self):
        self.pipe.send("?")
        return self.pipe.recv()

    def test_the_healthy_ones_notice_nothing(self):
        callbacks = self.start_receivers()
        self.start_sandbox("--accept-any")
        identifiers = [f"t{n}" for n in range(EVENTS)]
        for start in range(0, EVENTS, 1000):
            self.sandbox.set_many({identifier: "completed" for identifier in identifiers[start:start + 1000]})
        # Sick ones first: their turn comes first in every loop over the callbacks.
        self.start_daemon(callbacks[::-1], log={"level": "warning" if EVENTS > 2000 else "info"},
                          poll={"verify_after": []})
        memory = [self.daemon.process.memory_kib()]
        began = time.monotonic()
        for number, start in enumerate(range(0, EVENTS, BATCH)):
            due = began + number * BATCH / RATE
            time.sleep(max(0.0, due - time.monotonic()))  # the rate is what is tested
            self.daemon.import_ids(identifiers[start:start + BATCH])
            memory.append(self.daemon.process.memory_kib())
        offered = time.monotonic() - began
        wait_until(lambda: min(self.counts()) >= EVENTS, 60, "every event at each healthy callback")
        taken = self.pipe.recv()
        memory.append(self.daemon.process.memory_kib())

        delays = sorted(at - parse_time(stamp.decode()) for notes in taken for at, _, stamp in notes)
        p50, p99 = (delays[int(len(delays) * share)] for share in (0.5, 0.99))
        middle = memory[len(memory) // 2]
        print(f"{EVENTS} events in {offered:.1f} s ({EVENTS / offered:.0f} a second) to 5 healthy of 20 callbacks: "
              f"delay from the event's "
              f"time p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms, most {1000 * delays[-1]:.0f} ms; memory "
              f"{memory[0] / 1024:.1f} MiB "
              f"at first, {middle / 1024:.1f} half-way, {memory[-1] / 1024:.1f} at the end, {max(memory) / 1024:.1f} "
              f"at most")
        if os.environ.get("PROOFTRACK_ISOLATION_METRICS"):
            text = self.daemon.api("GET", "/metrics").body.decode()
            print("".join(line + "\n" for line in text.splitlines()
                          if re.match("prooftrackd_(commit|loop_lag)_seconds", line)))
        for notes in taken:
            self.assertEqual(len({identifier for _, identifier, _ in notes}), EVENTS, "each event, and none twice")
            self.assertEqual(len(notes), EVENTS)
        # The figure is for a quiet machine. Here a neighbour that is waited for costs its timeout of 15 s, a busy
        # machine less than this.
        self.assertLess(p99, 3)
        if not SANITIZED:
            self.assertLess(max(memory), 160 * 1024, "KiB: what waits for sick callbacks waits in the store")
        backlog = {one["name"]: one["backlog"] for one in self.daemon.status()["callbacks"]}
        for name, owed in backlog.items():
            self.assertEqual(owed, 0 if name.startswith("healthy") else EVENTS, f"{name}: nothing is lost")


if __name__ == "__main__":
    unittest.main()
