#!/usr/bin/env python3
"""The daemon as a service: passed sockets, notifications, credentials, log formats; and Proof at other kinds of
address."""

import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import Process, SystemCase, UnixConnection, connect_unix, program, wait_until


class Service(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")

    def start_as_service(self, daemon, listener=None, **env):
        """As systemd does: a passed socket is descriptor 3, LISTEN_PID is the daemon's own."""
        daemon.write_config()
        shell = 'exec env LISTEN_PID=$$ "$@"' if listener else 'exec env "$@"'
        arguments = ["sh", "-c", shell, "sh", *(f"{k}={v}" for k, v in env.items())]
        if listener:
            arguments += ["LISTEN_FDS=1", "LISTEN_FDNAMES=api"]
        arguments += [program("prooftrackd"), "--config", str(daemon.config_path)]
        with open(daemon.log_path, "ab") as log:
            popen = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=True,
                                     pass_fds=[3] if listener else [],
                                     preexec_fn=(lambda: os.dup2(listener.fileno(), 3)) if listener else None)
        process = Process.__new__(Process)
        process.popen, process.pid, process.log_path = popen, popen.pid, daemon.log_path
        daemon.process = process

    def test_a_passed_socket_wins_and_is_left_alone(self):
        path = str(self.folder / "passed.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(64)
        self.addCleanup(listener.close)
        daemon = self.make_daemon([])
        own = daemon.socket
        self.start_as_service(daemon, listener)
        daemon.socket = path
        wait_until(daemon.answers, 20, "an answer on the passed socket")
        self.assertFalse(os.path.exists(own), "no second socket")
        # While the daemon is away, a client waits in the backlog and is answered by the next one.
        self.assertEqual(daemon.stop(), 0)
        self.assertTrue(os.path.exists(path), "it is systemd's to remove")
        waiting = UnixConnection(path)
        waiting.request("GET", "/healthz")
        self.start_as_service(daemon, listener)
        self.assertEqual(waiting.getresponse().status, 200)
        waiting.close()

    def test_it_notifies_systemd(self):
        notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notices.bind(str(self.folder / "notify.sock"))
        notices.settimeout(20)
        self.addCleanup(notices.close)
        daemon = self.make_daemon([])
        self.start_as_service(daemon, NOTIFY_SOCKET=self.folder / "notify.sock", WATCHDOG_USEC=1_000_000)
        heard = []

        def hear(word, timeout=20):
            until = time.monotonic() + timeout
            while not any(word in line for line in heard):
                notices.settimeout(max(0.1, until - time.monotonic()))
                heard.extend(notices.recv(65536).decode().split("\n"))
            return next(line for line in heard if word in line)
        hear("READY=1")
        self.assertEqual(daemon.api("GET", "/healthz").status, 200, "ready means answering")
        hear("STATUS=")
        hear("WATCHDOG=1")
        heard.clear()
        daemon.reload()
        hear("RELOADING=1")
        hear("MONOTONIC_USEC=")
        hear("READY=1")
        daemon.process.signal(signal.SIGTERM)
        hear("STOPPING=1")
        self.assertEqual(daemon.process.wait(20), 0)

    def test_the_watchdog_is_pinged_at_half_of_any_interval(self):
        notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notices.bind(str(self.folder / "notify.sock"))
        self.addCleanup(notices.close)
        daemon = self.make_daemon([])
        self.start_as_service(daemon, NOTIFY_SOCKET=self.folder / "notify.sock", WATCHDOG_USEC=400_000)
        notices.settimeout(20)
        while b"READY=1" not in notices.recv(65536):
            pass
        pings, until = 0, time.monotonic() + 4
        while (left := until - time.monotonic()) > 0:
            notices.settimeout(left)
            with contextlib.suppress(TimeoutError):
                pings += b"WATCHDOG=1" in notices.recv(65536)
        self.assertGreaterEqual(pings, 12, "one every 200 ms, less what a loaded machine takes")
        self.assertEqual(daemon.stop(), 0)

    def test_with_its_descriptors_closed_nothing_is_written_into_its_files(self):
        daemon = self.make_daemon([])
        daemon.write_config()
        popen = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", program("prooftrackd"), "--config",
                                  str(daemon.config_path)])
        process = Process.__new__(Process)
        process.popen, process.pid, process.log_path = popen, popen.pid, daemon.log_path
        process.log_path.touch()  # nothing is ever written there
        daemon.process = process
        wait_until(daemon.answers, 20, "an answer")
        for descriptor in range(3):
            self.assertEqual(os.readlink(f"/proc/{popen.pid}/fd/{descriptor}"), "/dev/null")
        self.assertEqual(daemon.stop(), 0)
        for path in self.folder.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"event=", path.read_bytes(), path)

    def test_the_journal_format_without_a_journal_logs_to_stderr_and_says_so(self):
        if os.path.exists("/run/systemd/journal/socket"):
            self.skipTest("there is a journal here")
        daemon = self.start_daemon([], log={"format": "journald"})
        self.assertIn("there is no journal at", daemon.process.output())
        self.assertIn("event=daemon.started", daemon.process.output())
        daemon.stop()
        daemon.config["proof"]["token_file"] = str(self.folder / "none")
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(20), 78)
        self.assertIn("event=config.refused", daemon.process.output())

    def test_credentials_take_the_place_of_unwritten_keys(self):
        receiver = self.start_receiver()
        credentials = self.folder / "credentials"
        credentials.mkdir(mode=0o700)
        for name, text in (("client_token", self.sandbox.token + "\n"),
                           ("callback.backend.secret", receiver.secrets[0] + "\n")):
            (credentials / name).write_text(text)
            (credentials / name).chmod(0o400)
        daemon = self.make_daemon([{"name": "backend", "url": receiver.url}])
        del daemon.config["proof"]["token_file"]
        self.start_as_service(daemon, CREDENTIALS_DIRECTORY=credentials)
        wait_until(daemon.answers, 20, "an answer")
        self.sandbox.set("cred", status="completed")
        daemon.track("cred")
        self.assertTrue(wait_until(lambda: receiver.of("cred"), 10, "the callback")[0].verified)

    def test_without_a_token_it_says_where_one_is_expected(self):
        daemon = self.make_daemon([])
        del daemon.config["proof"]["token_file"]
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(20), 78)
        self.assertIn("client_token", daemon.process.output())

    def test_log_formats_have_one_event_a_line(self):
        for log_format in ("logfmt", "json"):
            daemon = self.start_daemon([], log={"format": log_format, "level": "info"})
            daemon.log_path.write_text("")
            daemon.track(f"log-{log_format}")
            wait_until(lambda: "transaction.status" in daemon.log_path.read_text(), 10, "a first word")
            for line in daemon.log_path.read_text().splitlines():
                if log_format == "json":
                    self.assertIn("event", json.loads(line))
                else:
                    self.assertRegex(line, r"(^| )event=[a-z]+\.[a-z_]+( |$)")
            daemon.stop()

    def test_the_log_level_can_be_changed_while_it_runs(self):
        daemon = self.start_daemon([], log={"level": "info"})
        self.assertFalse(daemon.logged("api.request"))
        self.assertEqual(daemon.api("PUT", "/v1/log-level", {"level": "debug"}).status, 200)
        daemon.api("GET", "/v1/status")
        self.assertTrue(wait_until(lambda: daemon.logged("api.request"), 5, "a line at debug"))
        self.assert_problem(daemon.api("PUT", "/v1/log-level", {"level": "loud"}), 400, "invalid_request")

    def test_clients_that_ask_before_they_send_and_chunks(self):
        daemon = self.start_daemon([])
        client = connect_unix(daemon.socket, timeout=10)
        body = b'{"merchant_transaction_id": "polite"}'
        client.sendall(b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: "
                       b"100-continue\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(body))
        self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 100"))
        client.sendall(body)
        self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 201"))
        client.sendall(b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; charset=utf-8\r\n"
                       b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"mer\r\n%x\r\nchant_transaction_id\": "
                       b"\"chunked\"}\r\n0\r\n\r\n" % 33)
        self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 201"))
        client.close()
        for identifier in ("polite", "chunked"):
            self.assertEqual(daemon.get(identifier)["state"], "tracking")


class Addresses(SystemCase):
    def settle(self):
        daemon = self.daemon
        daemon.track("a")
        self.assertEqual(daemon.wait_state("a", "settled")["status"], "completed")

    def sandbox_on(self, listen):
        self.start_sandbox()
        self.sandbox.stop()
        self.sandbox.listen = listen
        self.sandbox.start()
        self.sandbox.set("a", status="completed")

    def test_ipv6(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6 loopback here")
        self.start_sandbox()
        self.sandbox.stop()
        self.sandbox.listen = "[::1]:0"
        try:
            self.sandbox.start()
        except AssertionError:
            self.skipTest("the sandbox cannot listen on ::1")
        self.sandbox.set("a", status="completed")
        self.start_daemon([])
        self.settle()

    def test_a_name(self):
        self.sandbox_on("localhost:0")
        self.assertTrue(self.sandbox.base_url.startswith("https://localhost:"))
        self.start_daemon([])
        self.settle()

    def test_plain_http_on_the_loopback(self):
        self.start_sandbox()
        asked = []

        class Proof(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                asked.append((self.path, self.headers["Authorization"], self.headers["Accept-Encoding"]))
                body = json.dumps({"merchant_transaction_id": self.path.rsplit("/", 1)[1],
                                   "status": "completed"}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                # In chunks, which a Proof behind a proxy may well use.
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for piece in (body[:7], body[7:]):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proof)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.start_daemon([], proof={"base_url": f"http://127.0.0.1:{server.server_address[1]}", "ca_file": ""})
        self.settle()
        path, authorization, encoding = asked[0]
        self.assertEqual(path, "/widget/transactions/a")
        self.assertEqual(authorization, f"Bearer {self.sandbox.token}")
        self.assertEqual(encoding, "identity")

    def test_a_name_that_does_not_resolve_is_reported(self):
        self.start_sandbox()
        daemon = self.start_daemon([], proof={"base_url": "https://no-such-host.invalid"})
        daemon.track("a")
        wait_until(lambda: daemon.get("a")["last_error"], 15, "an error")
        self.assertRegex(daemon.get("a")["last_error"].lower(), "dns|resolve")
        reply = daemon.api("GET", "/healthz")
        self.assertEqual(reply.status, 200, "nothing hangs behind the resolver")


if __name__ == "__main__":
    unittest.main()
