#!/usr/bin/env python3
"""A hostile neighbour: what one user of the machine does at the socket must not harm the others."""

import fcntl
import grp
import http.client
import os
import signal
import socket
import subprocess
import time
import unittest

from harness import SystemCase, connect_unix, exchange, program, wait_until
from store_switch import on_store
from toml_text import toml_text

# Not `nobody`: that number stands for every user of another namespace and is never anybody's.
STRANGER, NEIGHBOUR = 54321, 54322
MAX_CLIENTS = 48


def become(uid):
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


class Crowd:
    """Another user's process that holds many connections, each with the same bytes sent."""

    def __init__(self, path, uid, count, request):
        ready, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            become(uid)
            held = []
            for _ in range(count):
                held.append(connect_unix(path, 5))
                try:
                    held[-1].sendall(request)
                except OSError:
                    pass  # it was turned away
            os.write(told, b".")
            signal.pause()
            os._exit(0)
        os.close(told)
        assert os.read(ready, 1) == b"."
        os.close(ready)

    def end(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


@unittest.skipUnless(os.geteuid() == 0, "needs root to be somebody else")
class Neighbour(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.folder.chmod(0o755)

    def crowd(self, count, request, uid=STRANGER):
        made = Crowd(self.daemon.socket, uid, count, request)
        self.addCleanup(made.end)
        return made

    def ask_as(self, uid, method, target, body=None):
        """The status and the problem's code that another user gets."""
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                become(uid)
                reply = self.daemon.api(method, target, body)
                answer = f"{reply.status} {reply.json.get('code', '') if reply.body else ''}".strip()
            except BaseException as error:  # noqa: BLE001: whatever it is, the parent is told
                answer = type(error).__name__
            os.write(theirs, answer.encode())
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        return answer

    def assert_refused(self, uid, word):
        """In words: while 32 others are being told that there is no place, a further one is closed without any."""
        answers = []

        def is_told():
            answers.append(self.ask_as(uid, "GET", "/v1/status"))
            return answers[-1] not in ("ConnectionResetError", "BrokenPipeError")

        wait_until(is_told, 5, "an answer in words")
        self.assertEqual(answers[-1], word)

    def assert_all_are_served(self):
        begun = time.monotonic()
        self.daemon.track("of-root")
        self.assertEqual(self.daemon.api("GET", "/v1/status").status, 200)
        self.assertEqual(self.ask_as(NEIGHBOUR, "GET", "/v1/transactions/of-root"), "200")
        self.assertLess(time.monotonic() - begun, 8)

    def test_waits_of_a_reader(self):
        self.start_daemon([], api={"mode": "0666", "admin_group": grp.getgrgid(1).gr_name, "max_clients": MAX_CLIENTS})
        self.daemon.track("open")
        self.crowd(MAX_CLIENTS + 10, b"GET /v1/transactions/open?wait=10m HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assert_refused(STRANGER, "429 too_many_connections")
        self.assert_all_are_served()

    def test_silent_ones_and_streams_without_an_admin_group(self):
        self.start_daemon([], api={"mode": "0660", "max_clients": MAX_CLIENTS})
        os.chmod(self.daemon.socket, 0o666)
        self.crowd(MAX_CLIENTS, b"GET /v1/ev")
        self.crowd(MAX_CLIENTS, b"GET /v1/events HTTP/1.1\r\nAccept: text/event-stream\r\n\r\n", STRANGER + 2)
        self.daemon.track("of-root")
        self.assert_refused(NEIGHBOUR, "503 unavailable")
        self.assertEqual(self.daemon.api("GET", "/v1/status").status, 200)

    def test_slow_bodies_of_one_who_may_not_post(self):
        self.start_daemon([], api={"mode": "0666", "admin_group": grp.getgrgid(1).gr_name})
        self.crowd(100, b"POST /v1/hints HTTP/1.1\r\nContent-Length: 65536\r\n\r\n{")
        self.assert_all_are_served()

    def test_slow_bodies_of_one_who_may_read(self):
        self.start_daemon([], api={"mode": "0666", "admin_group": grp.getgrgid(1).gr_name})
        self.crowd(100, b"GET /v1/status HTTP/1.1\r\nContent-Length: 1024\r\n\r\n{")
        self.crowd(2, b"GET /v1/status HTTP/1.1\r\nContent-Length: 65536\r\n\r\n{", STRANGER + 2)
        self.assert_all_are_served()


class Start(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")

    def test_a_lock_on_the_folder_of_the_socket_does_not_matter(self):
        self.start_daemon([])
        folder = os.open(os.path.dirname(self.daemon.socket), os.O_RDONLY)
        self.addCleanup(os.close, folder)
        self.daemon.stop()
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.daemon.start()
        self.assertEqual(self.daemon.api("GET", "/healthz").status, 200)

    def test_a_socket_in_use_is_reported_with_its_process(self):
        self.start_daemon([])
        second = self.folder / "second.toml"
        other = {**self.daemon.config, "store": {"path": str(self.folder / "state" / "other.db")}}
        second.write_text(toml_text(on_store(other)))
        done = subprocess.run([program("prooftrackd"), "--config", str(second)], capture_output=True, text=True,
                              timeout=30)
        self.assertEqual(done.returncode, 75)
        self.assertIn(f"process {self.daemon.process.pid} of user {os.geteuid()}", done.stdout + done.stderr)
        self.assertEqual(self.daemon.api("GET", "/healthz").status, 200)


class Scrapes(SystemCase):
    def test_silent_ones_do_not_keep_a_scrape_out(self):
        self.start_sandbox()
        holder = socket.create_server(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        holder.close()
        self.start_daemon([], metrics={"listen": f"127.0.0.1:{port}"})
        silent = []
        for i in range(40):
            silent.append(socket.create_connection(("127.0.0.1", port), timeout=10))
            silent[-1].sendall(b"GET /met" if i % 2 else b"")
            self.addCleanup(silent[-1].close)
        begun = time.monotonic()
        self.assertEqual(exchange(http.client.HTTPConnection("127.0.0.1", port, timeout=30), "GET", "/metrics").status,
                         200)
        self.assertLess(time.monotonic() - begun, 5)


def colliding_ids(count):
    """UUIDs that had one hash in version 0.1.0: mix(high ^ mix(low))."""
    mask = (1 << 64) - 1

    def mix(x):
        x = ((x ^ x >> 33) * 0xff51afd7ed558ccd) & mask
        x = ((x ^ x >> 33) * 0xc4ceb9fe1a85ec53) & mask
        return x ^ x >> 33
    for number in range(count):
        text = ((mix(number) ^ 42).to_bytes(8, "little") + number.to_bytes(8, "little")).hex()
        yield "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class Collisions(SystemCase):
    def test_chosen_ids_cost_what_others_cost(self):
        self.start_sandbox("--accept-any")
        self.start_daemon([], poll={"interval": ["10m", "20m"]})

        def add(ids):
            before = cpu_of(self.daemon.process.pid)
            reply = self.daemon.api("POST", "/v1/transactions", "\n".join(ids),
                                    {"Content-Type": "application/x-ndjson"})
            self.assertEqual(reply.status, 200, reply)
            return cpu_of(self.daemon.process.pid) - before
        common = add(f"common-{number}" for number in range(20000))
        chosen = add(colliding_ids(20000))
        self.assertLess(chosen, 3 * common + 2)


def cpu_of(pid):
    """Seconds of CPU time that a process has used."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    unittest.main()
