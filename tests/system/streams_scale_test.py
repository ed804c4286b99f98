#!/usr/bin/env python3
"""5,000 readers that wait cost no polling and little memory, and one event reaches them all."""

import os
import resource
import selectors
import subprocess
import time
import unittest
from pathlib import Path

from harness import SANITIZED, SystemCase, connect_unix, program, wait_until

READERS = 5000
DESCRIPTORS = READERS + 1500
QUIET_SECONDS = 10


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def context_switches(pid):
    """Of all its threads."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        total += sum(int(line.split()[1]) for line in status.read_text().splitlines() if "ctxt_switches" in line)
    return total


class StreamsScale(SystemCase):
    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
            self.skipTest(f"this process may open {hard} files only, {DESCRIPTORS} are needed")
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        # The daemon starts as a shell would start it and raises the limit by itself.
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        self.start_sandbox("--accept-any")
        self.start_daemon([], api={"max_clients": 6000}, log={"level": "info"})
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))

    def connect_readers(self):
        requests = (b"GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n",
                    b"GET /v1/events?after=0&wait=2m HTTP/1.1\r\nHost: x\r\n\r\n")
        readers = []
        for number in range(READERS):
            reader = connect_unix(self.daemon.socket, timeout=20)
            self.addCleanup(reader.close)
            reader.sendall(requests[number % 2])
            readers.append(reader)
        for reader in readers[::2]:  # a stream has begun when its header is here
            self.assertTrue(reader.recv(4096).startswith(b"HTTP/1.1 200"))
        return readers

    def read_until_all_heard(self, readers, word, timeout):
        """Seconds until each has received `word`."""
        began = time.monotonic()
        heard = {}
        with selectors.DefaultSelector() as ready:
            for reader in readers:
                reader.setblocking(False)
                ready.register(reader, selectors.EVENT_READ)
                heard[reader] = b""
            waiting = len(readers)
            while waiting:
                left = began + timeout - time.monotonic()
                self.assertGreater(left, 0, f"{waiting} readers did not hear of it within {timeout} s")
                for key, _ in ready.select(left):
                    piece = key.fileobj.recv(1 << 16)
                    self.assertTrue(piece, "a reader was closed")
                    heard[key.fileobj] += piece
                    if word in heard[key.fileobj]:
                        ready.unregister(key.fileobj)
                        waiting -= 1
        return time.monotonic() - began

    def test_readers_that_wait_cost_nothing_and_all_get_the_event(self):
        pid = self.daemon.process.pid
        limits = Path(f"/proc/{pid}/limits").read_text()
        soft, hard = next(line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files"))
        self.assertEqual(soft, hard, "the daemon raises its soft limit to the hard one")

        memory = self.daemon.process.memory_kib()
        readers = self.connect_readers()
        self.assertEqual(self.daemon.status()["proof"]["health"], "ok", "and others are answered")
        each = (self.daemon.process.memory_kib() - memory) / READERS

        used, switched = processor_seconds(pid), context_switches(pid)
        time.sleep(QUIET_SECONDS)  # what is measured is what happens meanwhile: nothing
        used, switched = processor_seconds(pid) - used, context_switches(pid) - switched

        self.sandbox.set("all", status="completed")
        self.daemon.track("all")
        self.daemon.wait_state("all", "settled")
        took = self.read_until_all_heard(readers, b"transaction.completed", 20)
        print(f"{READERS} readers: {each:.1f} KiB each, idle {1000 * used / QUIET_SECONDS:.1f} ms of processor time "
              f"and "
              f"{switched / QUIET_SECONDS:.1f} context switches a second, all heard after {1000 * took:.0f} ms")

        self.assertLess(used / QUIET_SECONDS, 0.05 if not SANITIZED else 0.2, "processor time while nothing happens")
        # Heartbeats of streams come every 15 s: at most 2,500 sends, in few wakes.
        self.assertLess(switched / QUIET_SECONDS, 200, "context switches while nothing happens")
        if not SANITIZED:
            self.assertLess(each, 24, "KiB a reader")
            self.assertLess(took, 2, "seconds until all heard")

        for reader in readers:
            reader.close()
        wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) < 200, 20, "their descriptors are closed")


class DescriptorLimit(SystemCase):
    def test_a_limit_that_does_not_suffice_is_reported(self):
        self.start_sandbox("--accept-any")
        self.make_daemon([], api={"max_clients": 6000})
        self.daemon.write_config()
        # A child of its own lowers the hard limit: it cannot be raised again here.
        with open(self.daemon.log_path, "ab") as log:
            child = subprocess.Popen([program("prooftrackd"), "--config", str(self.daemon.config_path)],
                                     stdin=subprocess.DEVNULL,
                                     stdout=log, stderr=log,
                                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 2048)))
        try:
            self.daemon.wait_log("daemon.started")
            said = [line["warning"] for line in self.daemon.logged("config.warning")
                    if "may open 2048 files" in line["warning"]]
            self.assertEqual(len(said), 1)
            self.assertIn("LimitNOFILE", said[0])
        finally:
            child.terminate()
            child.wait(30)


if __name__ == "__main__":
    unittest.main()
