#!/usr/bin/env python3
"""prooftrackctl where much goes through it: import, the event log across restarts of the daemon, and `listen`."""

import base64
import hmac
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from ctl_case import CTL, ENV, ctl_case, terminal  # noqa: E402


class Import(ctl_case):
    def test_numbers_are_right_across_chunks(self):
        lines = []
        for number in range(1, 25002):
            lines.append("" if number % 1000 == 0 else f"id-{number}" if number % 2
                         else json.dumps({"merchant_transaction_id": f"id-{number}"}))
        for bad in (1, 9999, 10000, 10001, 10011, 20022, 25001):
            lines[bad - 1] = "bad id!"
        path = self.folder / "ids"
        path.write_text("\n".join(lines))
        out, err = self.run_ctl("import", str(path), expect=1)
        self.assertIn("24,970 created, 0 existing, 7 rejected", out)
        told = [int(line.split("line ")[1].split(":")[0]) for line in err.splitlines()]
        self.assertEqual(told, [1, 9999, 10000, 10001, 10011, 20022, 25001])
        self.assertTrue(all(len(body.splitlines()) <= 10000 for _, _, _, body in self.daemon.requests))
        out, _ = self.run_ctl("--json", "import", "-", stdin=b"id-3\n\nno good\nnew-1\n", expect=1)
        summary = json.loads(out)
        self.assertEqual((summary["created"], summary["existing"]), (1, 1))
        self.assertEqual(summary["rejected"][0]["line"], 3)
        self.run_ctl("import", "-", stdin=b"id-3\nnew-1\n")
        self.run_ctl("import", str(self.folder / "absent"), expect=1)

    def test_a_restart_in_the_middle_is_repeated(self):
        feeder = subprocess.Popen([CTL, "--socket", self.socket, "import", "-"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, env=ENV)
        feeder.stdin.write(b"".join(b"a-%d\n" % number for number in range(10001)))
        feeder.stdin.flush()
        while len(self.daemon.transactions) < 10000:
            time.sleep(0.01)
        time.sleep(0.1)
        self.daemon.stop()
        feeder.stdin.write(b"".join(b"b-%d\n" % number for number in range(10000)))
        feeder.stdin.flush()
        time.sleep(0.3)
        self.daemon.fail_next = [(503, "store_unavailable")]
        self.daemon.start()
        out, err = feeder.communicate(timeout=30)
        self.assertEqual(feeder.returncode, 0, err)
        self.assertEqual(len(self.daemon.transactions), 20001)

    def test_progress_on_a_terminal(self):
        path = self.folder / "ids"
        path.write_text("".join(f"id-{number}\n" for number in range(30000)))
        screen = terminal(["--socket", self.socket, "import", str(path)])
        screen.read_until(b"30,000 created")
        self.assertIn("█".encode(), screen.text)
        self.assertIn(b" %  ", screen.text)
        self.assertEqual(screen.wait(), 0)


class Events(ctl_case):
    def test_the_log_page_by_page(self):
        for number in range(1201):
            self.daemon.emit(f"t-{number}", extra="1.%d0" % number)
        out, err = self.run_ctl("--json", "events")
        self.assertEqual(out.splitlines(), self.daemon.events[-100:], "the newest")
        self.assertEqual(err, "")
        out, err = self.run_ctl("events")
        self.assertEqual(len(out.splitlines()), 101)
        self.assertIn("the newest 100 of 1,201 events", err)
        out, _ = self.run_ctl("--json", "events", "--limit", "2")
        self.assertEqual(out.splitlines(), self.daemon.events[-2:])
        out, _ = self.run_ctl("--json", "events", "--after", "0")
        self.assertEqual(out.splitlines(), self.daemon.events)
        out, _ = self.run_ctl("--json", "events", "--after", "0", "--limit", "2")
        self.assertEqual(out.splitlines(), self.daemon.events[:2])
        out, _ = self.run_ctl("--json", "events", "--after", "1199")
        self.assertEqual(out.splitlines(), self.daemon.events[1199:])
        out, _ = self.run_ctl("events", "--limit", "3")
        self.assertEqual(len(out.splitlines()), 4)

    def test_a_cursor_that_is_gone_is_explained(self):
        for _ in range(10):
            self.daemon.emit()
        self.daemon.first_seq = 6
        for arguments in (("events", "--after", "2"), ("events", "--after", "99"),
                          ("events", "--follow", "--after", "2")):
            _, err = self.run_ctl(*arguments, expect=1)
            self.assertIn("events 6 to 10", err)
        out, _ = self.run_ctl("--json", "events")
        self.assertEqual(len(out.splitlines()), 5)

    def test_follow_loses_and_repeats_nothing_across_restarts(self):
        for _ in range(5):
            self.daemon.emit("before")
        following = self.spawn("--json", "events", "--follow")
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(line.decode().rstrip("\n") for line in following.stdout),
                                  daemon=True)
        reader.start()
        while not any("event-stream" in headers.get("Accept", "") for _, _, headers, _ in list(self.daemon.requests)):
            time.sleep(0.01)
        for round_number in range(4):
            for _ in range(50):
                self.daemon.emit(f"round-{round_number}")
            self.daemon.stop()  # in the middle of whatever was on its way
            for _ in range(7):
                self.daemon.emit("while away")
            self.daemon.start()
        self.daemon.emit("last")
        until = time.monotonic() + 20
        while len(lines) < len(self.daemon.events) - 5 and time.monotonic() < until:
            time.sleep(0.02)
        self.assertEqual(lines, self.daemon.events[5:])
        following.send_signal(signal.SIGINT)
        following.wait(timeout=5)
        self.assertEqual(following.returncode, 0)

    def test_another_log_is_read_from_its_start(self):
        self.daemon.emit("old")
        following = self.spawn("--json", "events", "--follow", "--after", "0", "--limit", "3")
        first = following.stdout.readline().decode().rstrip("\n")
        self.assertEqual(first, self.daemon.events[0])
        self.daemon.stop()
        self.daemon.events.clear()
        self.daemon.log_id = "log-2"
        self.daemon.emit("restored-1")
        self.daemon.emit("restored-2")
        self.daemon.start()
        rest, err = following.communicate(timeout=15)
        self.assertEqual(rest.decode().splitlines(), self.daemon.events)
        self.assertIn(b"another event log", err)
        self.assertEqual(following.returncode, 0)


class Listen(ctl_case):
    KEY = bytes(range(32))

    def setUp(self):
        super().setUp()
        self.secrets = self.folder / "secrets"
        old = base64.b64encode(b"x" * 24).decode()
        self.secrets.write_text(f"whsec_{old}\nwhsec_{base64.b64encode(self.KEY).decode()}\n")

    def listen(self, *arguments, json_lines=False):
        process = self.spawn(*(["--json"] if json_lines else []), "listen", *arguments, "--secret-file",
                             str(self.secrets))
        first = process.stdout.readline().decode()
        self.url = json.loads(first)["listening"] if json_lines else first.split()[-1]
        self.assertRegex(self.url, r"^http")
        return process

    def send(self, body, ident="evt_1", key=None, offset=0, method="POST"):
        stamp_text = str(int(time.time()) + offset)
        made = hmac.new(key or self.KEY, f"{ident}.{stamp_text}.".encode() + body, "sha256").digest()
        headers = {"webhook-id": ident, "webhook-timestamp": stamp_text,
                   "webhook-signature": "v1,AAAA v1," + base64.b64encode(made).decode()}
        host = urllib.parse.urlsplit(self.url).netloc
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request(method, "/hooks/proof", body, headers)
        status = connection.getresponse().status
        connection.close()
        return status

    def test_verifies_prints_once_and_ends_after_the_count(self):
        process = self.listen("127.0.0.1:0", "--count", "2", json_lines=True)
        first = b'{"id":"evt_1",\n "type":"transaction.completed","data":{"n":1.10}}'
        self.assertEqual(self.send(first), 204)
        self.assertEqual(self.send(first), 204)
        self.assertEqual(self.send(first, key=b"y" * 32), 401)
        self.assertEqual(self.send(first, offset=-400), 401)
        self.assertEqual(self.send(b"", method="GET"), 405)
        self.assertEqual(self.send(b"z" * (1024 * 1024 + 1)), 413)
        self.assertEqual(self.send(b"{}", ident="evt_2"), 204)
        out, err = process.communicate(timeout=10)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(out.decode().splitlines(), [first.decode().replace("\n", " "), "{}"])
        self.assertIn(b"2 events, 1 repeats, 3 refused", err)

    def test_a_slow_client_holds_nobody_up(self):
        process = self.listen()
        host, port = urllib.parse.urlsplit(self.url).netloc.split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(30)]
        for one in idle:
            one.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n")
        self.assertEqual(
            self.send(b'{"type":"transaction.failed","data":{"status":"failed","merchant_transaction_id":"t-1"}}'), 204)
        line = process.stdout.readline().decode()
        self.assertIn("transaction.failed  t-1  failed  evt_1", line)
        for one in idle:
            one.close()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
        self.assertEqual(process.returncode, 0)

    def test_keep_alive_and_a_unix_socket(self):
        path = self.folder / "hook.sock"
        process = self.listen(f"unix:{path}")
        self.assertEqual(self.url, f"http+unix://{path}:/")
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(path))
        for _ in range(3):
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"))
        client.close()
        process.terminate()
        process.communicate(timeout=5)
        self.assertFalse(path.exists())

    def test_a_chunked_request_in_pieces_is_refused_and_hurts_nobody(self):
        process = self.listen()
        host, port = urllib.parse.urlsplit(self.url).netloc.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                         b"2\r\n{}\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n"):
                client.sendall(bytes([byte]))
                time.sleep(0.0005)  # the pieces themselves
            self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 411 "))
        self.assertEqual(self.send(b"{}"), 204)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
        self.assertEqual(process.returncode, 0)

    def test_wrong_addresses_and_secrets(self):
        for address in ("0.0.0.0:0", "8.8.8.8:80", "nonsense", "127.0.0.1:99999", "127.0.0.1"):
            self.run_ctl("listen", address, "--secret-file", str(self.secrets), expect=64)
        self.secrets.write_text("whsec_short\n")
        self.run_ctl("listen", "--secret-file", str(self.secrets), expect=1)
        good = base64.b64encode(self.KEY).decode()
        self.secrets.write_text(f"whsec_{good}\n\nwhsec_{good}\n")
        _, err = self.run_ctl("listen", "--secret-file", str(self.secrets), expect=1)
        self.assertIn("line 2: it is blank", err)
        self.run_ctl("listen", "--secret-file", str(self.folder / "absent"), expect=1)


if __name__ == "__main__":
    unittest.main()
