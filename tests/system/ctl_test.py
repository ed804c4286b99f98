#!/usr/bin/env python3
"""prooftrackctl against a fake daemon: what its commands print and how they end."""

import json
import os
import pty
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from ctl_case import CTL, ENV, ctl_case  # noqa: E402
from fake_daemon import Raw, stamp  # noqa: E402


class Transactions(ctl_case):
    def test_track_get_list_untrack_poll(self):
        out, _ = self.run_ctl("track", "t-1", "--metadata", "order=A-17")
        self.assertIn("t-1", out)
        out, _ = self.run_ctl("--json", "get", "t-1")
        self.assertEqual(json.loads(out)["metadata"], {"order": "A-17"})
        self.assertEqual(out.count("\n"), 1)
        self.run_ctl("track", "t-1", "--metadata", "order=A-17")
        _, err = self.run_ctl("track", "t-1", "--metadata", "order=B", expect=1)
        self.assertIn("already_tracked 409", err)
        out, _ = self.run_ctl("list")
        self.assertRegex(out, r"^ID +STATE +STATUS +AGE +NEXT +POLLS +ERROR +METADATA\nt-1 +tracking")
        out, _ = self.run_ctl("poll", "t-1")
        self.assertIn("t-1", out)
        out, _ = self.run_ctl("untrack", "t-1", "--json")
        self.assertEqual(json.loads(out)["state"], "untracked")
        _, err = self.run_ctl("untrack", "t-1", expect=1)
        self.assertIn("already_ended", err)
        _, err = self.run_ctl("get", "unknown", expect=1)
        self.assertIn("unknown_transaction", err)

    def test_json_is_cut_not_rebuilt(self):
        proof = ('{"merchant_transaction_id":"t-1",\r\n "fiat_amount" : 1.10, '
                 '"big":12345678901234567890123,  "u":"\\u00e9"}')
        self.daemon.track("t-1", proof=Raw(proof), metadata=Raw('{"z": 1.0,\n"a":{"b" :[]}}'))
        shown = proof.replace("\r", " ").replace("\n", " ")
        for arguments in (("get", "t-1"), ("list",), ("explain", "t-1")):
            out, _ = self.run_ctl("--json", *arguments)
            self.assertEqual(out.count("\n"), 1)
            self.assertIn(shown, out)
            self.assertIn('{"z": 1.0, "a":{"b" :[]}}', out)

    def test_list_goes_through_all_pages(self):
        for number in range(1203):
            self.daemon.track(f"t-{number}", state="settled" if number % 2 else "tracking")
        out, _ = self.run_ctl("--json", "list", "--all")
        self.assertEqual(len(out.splitlines()), 1203)
        self.assertEqual(json.loads(out.splitlines()[0])["merchant_transaction_id"], "t-1202")
        out, _ = self.run_ctl("--json", "list", "--limit", "700")
        self.assertEqual(len(out.splitlines()), 700)
        out, _ = self.run_ctl("--json", "list", "--all", "--state", "settled")
        self.assertEqual(len(out.splitlines()), 601)
        out, _ = self.run_ctl("list")
        self.assertEqual(len(out.splitlines()), 101)

    def test_a_closed_pipe_ends_quietly(self):
        for number in range(5000):
            self.daemon.track(f"t-{number}")
        done = subprocess.run(["bash", "-c", f"{CTL} --socket {self.socket} list --all | head -1; echo "
                                             f"${{PIPESTATUS[0]}}"],
                              capture_output=True, env=ENV, timeout=30)
        self.assertEqual(done.stderr, b"")
        self.assertEqual(done.stdout.splitlines()[-1], b"0")

    def test_a_full_disk_does_not(self):
        self.daemon.track("t-1")
        with open("/dev/full", "w") as full:
            done = subprocess.run([CTL, "--socket", self.socket, "list"], stdout=full, stderr=subprocess.PIPE, env=ENV,
                                  timeout=10)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write", done.stderr)

    def test_hostile_text_does_not_reach_the_terminal(self):
        self.daemon.track("t-1", status="\x1b[2J\u202eevil", last_error="\x1b]0;x\x07", consecutive_errors=1)
        for arguments in (("list",), ("get", "t-1"), ("explain", "t-1")):
            out, _ = self.run_ctl(*arguments)
            self.assertNotIn("\x1b", out)
            self.assertNotIn("\u202e", out)

    def test_explain(self):
        self.daemon.track("t-1", state="settled", status="completed", settled_at=stamp(-60), next_poll_at=stamp(540),
                          polls=9)
        self.daemon.history["t-1"] = [
            {"at": stamp(-90), "from_state": None, "to_state": "tracking", "from_status": None, "to_status": None,
             "request_id": None},
            {"at": stamp(-60), "from_state": "tracking", "to_state": "settled", "from_status": "processing",
             "to_status": "completed", "request_id": "req-7"}]
        self.daemon.add_delivery("t-1", "delivered", attempts=1, last_attempt_at=stamp(-50))
        self.daemon.add_delivery("t-1", "pending", callback="ledger", attempts=3, last_error="500")
        out, _ = self.run_ctl("explain", "t-1")
        for part in ("req-7", "poll.verify_after", "arrived", "ledger", "failing", "redeliver t-1"):
            self.assertIn(part, out)


class Waiting(ctl_case):
    def test_exit_status_says_how_it_ended(self):
        for state, status, code in (("settled", "completed", 0), ("settled", "failed", 2), ("settled", "cancelled", 3),
                                    ("rejected", None, 4), ("abandoned", "pending", 4), ("untracked", None, 4)):
            self.daemon.track("t-1", state=state, status=status)
            self.run_ctl("wait", "t-1", "--timeout", "5s", expect=code)
        self.daemon.track("t-2")
        started = time.monotonic()
        self.run_ctl("wait", "t-2", "--timeout", "300ms", expect=5)
        self.assertLess(time.monotonic() - started, 5)
        self.run_ctl("wait", "t-2", "--timeout", "0s", expect=5)
        self.run_ctl("wait", "nobody", expect=1)

    def test_track_and_wait_prints_the_end_once(self):
        waiting = self.spawn("--json", "track", "t-1", "--wait")
        while "t-1" not in self.daemon.transactions:
            time.sleep(0.01)
        self.daemon.settle("t-1", "failed")
        out, _ = waiting.communicate(timeout=10)
        self.assertEqual(waiting.returncode, 2)
        self.assertEqual([json.loads(line)["status"] for line in out.splitlines()], ["failed"])

    def test_survives_a_restart_of_the_daemon(self):
        self.daemon.track("t-1")
        waiting = self.spawn("wait", "t-1", "--timeout", "30s")
        while not self.daemon.requests:
            time.sleep(0.01)
        self.daemon.stop()
        time.sleep(0.3)
        self.assertIsNone(waiting.poll())
        self.daemon.fail_next = [(503, "unavailable")]
        self.daemon.start()
        time.sleep(0.2)
        self.daemon.settle("t-1", "cancelled")
        waiting.communicate(timeout=15)
        self.assertEqual(waiting.returncode, 3)

    def test_a_daemon_that_stays_away_is_69_at_the_timeout(self):
        self.daemon.track("t-1")
        waiting = self.spawn("wait", "t-1", "--timeout", "1s")
        while not self.daemon.requests:
            time.sleep(0.01)
        self.daemon.stop()
        waiting.communicate(timeout=15)
        self.assertEqual(waiting.returncode, 69)

    def test_a_signal_ends_it_cleanly(self):
        self.daemon.track("t-1")
        waiting = self.spawn("wait", "t-1")
        while not self.daemon.requests:
            time.sleep(0.01)
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=5)
        self.assertEqual((waiting.returncode, out, err), (130, b"", b""))


class Connecting(ctl_case):
    def test_nobody_there(self):
        self.daemon.stop()
        _, err = self.run_ctl("status", expect=69)
        self.assertIn("systemctl status prooftrackd", err)
        os.unlink(self.socket)
        _, err = self.run_ctl("status", expect=69)
        self.assertIn("does not exist", err)
        for arguments in (("track", "x"), ("get", "x"), ("wait", "x"), ("events", "--follow"), ("import", "/dev/null"),
                          ("backup", str(self.folder / "b"))):
            if arguments[0] != "import":
                self.run_ctl(*arguments, expect=69)
        self.assertEqual(list(self.folder.glob("b*")), [])

    @unittest.skipIf(os.geteuid() == 0 and not os.path.exists("/usr/bin/setpriv"), "needs another user")
    def test_permission_denied_names_the_group(self):
        os.chmod(self.socket, 0o600)
        os.chmod(self.folder, 0o755)
        command = [CTL, "--socket", self.socket, "status"]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=65534", "--clear-groups", *command]
        done = subprocess.run(command, capture_output=True, env=ENV, timeout=10)
        if b"execute" in done.stderr:
            self.skipTest("another user cannot execute the program here")
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertIn(b"group", done.stderr)

    def test_socket_by_environment(self):
        done = subprocess.run([CTL, "--json", "status"], capture_output=True,
                              env={**ENV, "PROOFTRACKD_SOCKET": self.socket}, timeout=10)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(json.loads(done.stdout)["version"], "0.1.0")

    def scripted(self, answer, stays_open=False):
        """Something that gives these bytes to whoever connects, whatever was asked; None = silence."""
        path = str(self.folder / "odd.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(8)
        self.addCleanup(os.unlink, path)
        self.addCleanup(listener.close)
        held = []

        def serve():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                held.append(client)
                if answer is None:
                    continue
                try:
                    client.recv(65536)
                    client.sendall(answer)
                    if not stays_open:
                        client.close()
                except OSError:
                    pass

        threading.Thread(target=serve, daemon=True).start()
        self.addCleanup(lambda: [client.close() for client in held])
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
        return path

    def ask_scripted(self, answer, *arguments, stdin=None, stays_open=False):
        with self.subTest(answer=answer and answer[:60]):
            path = self.scripted(answer, stays_open)
            done = subprocess.run([CTL, "--socket", path, *(arguments or ("status", "--json"))], input=stdin,
                                  capture_output=True, env=ENV, timeout=40)
            self.doCleanups()
            self.setUp()
            return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_a_peer_that_is_not_the_daemon_is_reported(self):
        for answer in (b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le",
                       b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                       b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                       b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20000,
                       b"HTTP/1.1 100 Continue\r\n\r\n" * 20):
            code, out, err = self.ask_scripted(answer)
            self.assertEqual((code, out), (69, ""), (answer[:60], err))
            self.assertNotEqual(err, "")
        code, out, _ = self.ask_scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "status")
        self.assertEqual((code, out), (69, ""))

    def test_interim_replies_are_skipped(self):
        for stays_open in (False, True):  # what came with an interim reply is not waited for again
            code, out, _ = self.ask_scripted(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "
                                             b"OK\r\nContent-Length: 2\r\n\r\n{}",
                                             stays_open=stays_open)
            self.assertEqual((code, out), (0, "{}\n"))

    def test_a_refusal_before_the_whole_body_was_sent_is_received(self):
        refusal = b'{"status":413,"code":"too_large","detail":"too much"}'
        answer = b"HTTP/1.1 413 Too Large\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%s" % (
                len(refusal), refusal)
        many = "".join(f'{{"merchant_transaction_id":"id-{number}","metadata":{{"x":"{"y" * 700}"}}}}\n'
                       for number in range(9000)).encode()
        code, _, err = self.ask_scripted(answer, "import", "-", stdin=many)
        self.assertEqual(code, 1)
        self.assertIn("too_large 413", err)

    def test_a_silent_daemon_has_a_deadline(self):
        started = time.monotonic()
        code, _, err = self.ask_scripted(None, "get", "t-1")
        self.assertEqual(code, 69)
        self.assertIn("no answer", err)
        self.assertLess(time.monotonic() - started, 30)


class Deliveries(ctl_case):
    def test_list_and_redeliver(self):
        self.daemon.track("t-1", state="settled", status="completed")
        self.daemon.add_delivery("t-1", "delivered", kind="transaction.overdue")
        self.daemon.add_delivery("t-1", "dead", last_error="500", attempts=8)
        self.daemon.add_delivery("t-1", "dead", callback="ledger")
        out, _ = self.run_ctl("deliveries", "--state", "dead")
        self.assertEqual(len(out.splitlines()), 3)
        out, _ = self.run_ctl("redeliver", "t-1", "--callback", "backend")
        self.assertEqual(out.splitlines(), ["delivery 2 (transaction.completed to backend) is due now"])
        out, _ = self.run_ctl("redeliver", "--dead")
        self.assertIn("1 dead", out)
        out, _ = self.run_ctl("redeliver", "1")
        self.assertEqual(self.daemon.deliveries[0]["state"], "pending")
        _, err = self.run_ctl("redeliver", "99", expect=1)
        self.assertIn("unknown_delivery", err)
        self.daemon.track("777")
        self.daemon.add_delivery("777", "dead")
        self.run_ctl("redeliver", "777")
        self.assertEqual(self.daemon.deliveries[3]["state"], "pending")
        _, err = self.run_ctl("redeliver", "nobody", expect=1)
        self.assertIn("unknown_transaction", err)

    def test_callback_test(self):
        out, _ = self.run_ctl("callback", "test", "backend")
        self.assertIn("answered 204 in 12ms", out)
        out, _ = self.run_ctl("callback", "test", "command")
        self.assertIn("exit status 0 in 12ms", out)
        for name, said in (("broken", "HTTP 500"), ("failing", "exit status 3"), ("silent", "connect: refused")):
            out, _ = self.run_ctl("callback", "test", name, expect=1)
            self.assertIn(f"{said} in 12ms", out)
        self.run_ctl("--json", "callback", "test", "command")
        self.run_ctl("--json", "callback", "test", "failing", expect=1)
        self.run_ctl("callback", "test", "nobody", expect=1)

    def test_consumers(self):
        _, err = self.run_ctl("consumers")
        self.assertIn("no consumers", err)
        self.daemon.emit()
        self.daemon.emit()
        self.run_ctl("consumers", "add", "ledger", "--seq", "0")
        self.run_ctl("consumers", "ack", "ledger", "1")
        out, _ = self.run_ctl("consumers")
        self.assertRegex(out, r"ledger +1 +1 +3s")
        self.run_ctl("consumers", "ack", "ledger", "9", expect=1)
        self.run_ctl("consumers", "remove", "ledger")
        self.run_ctl("consumers", "remove", "ledger", expect=1)


class Proof(ctl_case):
    def test_session_is_passed_byte_for_byte(self):
        body = b' {"partner_user_id" : "u", "amount": 1.10}\n'
        path = self.folder / "body"
        path.write_bytes(body)
        out, _ = self.run_ctl("session", "--body", str(path))
        self.assertEqual(out, self.daemon.proof_reply)
        self.assertEqual(self.daemon.requests[-1][3], body)
        out, _ = self.run_ctl("--json", "session", "--currency", "USDT", "--metadata", "a=b")
        self.assertEqual(out, self.daemon.proof_reply.replace("\n", " ") + "\n")
        self.assertEqual(json.loads(self.daemon.requests[-1][3]),
                         {"currency": "USDT", "tracking": {"metadata": {"a": "b"}}})
        self.run_ctl("session", "--body", str(self.folder / "absent"), expect=1)

    def test_a_session_that_comes_with_an_error_status_is_shown(self):
        self.daemon.session_status = 422
        out, err = self.run_ctl("session", "--currency", "USDT")
        self.assertEqual(out, self.daemon.proof_reply)
        self.assertIn("422", err)
        self.daemon.proof_reply = '{"error":"kyc_required"}'
        self.run_ctl("session", "--currency", "USDT", expect=1)

    def test_kyc(self):
        out, _ = self.run_ctl("kyc", "u/7")
        self.assertIn("verified", out)
        self.assertEqual(self.daemon.requests[-1][1], "/v1/users/u%2F7/kyc-status")


class Daemon(ctl_case):
    def test_cluster(self):
        self.assertIn("this daemon is alone", self.run_ctl("cluster")[0])
        self.assertEqual(self.run_ctl("--json", "cluster")[0], "null\n")
        node = {"state": "living", "shards": 128, "seen_seconds_ago": 0, "version": "0.1.0"}
        self.daemon.cluster = {"node": "a", "nodes": [{"id": "a", **node}, {"id": "b", **node}], "unowned_shards": 2,
                               "moves": [{"at": "2026-04-01T10:00:00.000Z", "node": "a", "from": "c", "shards": 42,
                                          "how": "taken_over"}]}
        out, _ = self.run_ctl("cluster")
        self.assertRegex(out, r"(?m)^a +living +128 .* this one$")
        self.assertIn("2 shards have no owner", out)
        self.assertIn("its lease had run out", out)
        self.assertEqual(json.loads(self.run_ctl("--json", "cluster")[0]), self.daemon.cluster)
        self.assertIn("node a of 2, 128 shards", self.run_ctl("status")[0])

    def test_status_and_log_level(self):
        out, _ = self.run_ctl("status")
        self.assertIn("61.2/s, 3 in flight", out)
        self.assertIn("ledger", out)
        self.assertEqual(self.run_ctl("maintenance", "status")[0], "maintenance is off\n")
        self.assertIn("nothing is polled", self.run_ctl("maintenance", "on", "--note", "night")[0])
        self.assertIn("(night)", self.run_ctl("status")[0])
        self.assertEqual(self.run_ctl("status", "--check")[0].splitlines()[0], "ok")
        self.assertEqual(json.loads(self.run_ctl("--json", "maintenance", "off")[0])["on"], False)
        self.daemon.health = "unauthorized"
        self.assertIn("Proof is unauthorized", self.run_ctl("status", "--check", expect=1)[0])
        self.assertFalse(json.loads(self.run_ctl("--json", "status", "--check", expect=1)[0])["ok"])
        self.daemon.health = "ok"
        self.run_ctl("log-level", "debug")
        self.assertEqual(self.daemon.level, "debug")
        self.run_ctl("log-level", "loud", expect=1)

    def test_backup(self):
        path = self.folder / "copy.db"
        self.run_ctl("backup", str(path))
        self.assertEqual(path.read_bytes(), self.daemon.backup_bytes)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        path.write_bytes(b"mine")
        _, err = self.run_ctl("backup", str(path), expect=1)
        self.assertIn("--force", err)
        self.assertEqual(path.read_bytes(), b"mine")
        self.run_ctl("backup", str(path), "--force")
        self.assertEqual(path.read_bytes(), self.daemon.backup_bytes)
        self.daemon.backup_cut = True
        before = set(self.folder.iterdir())
        self.run_ctl("backup", str(path), "--force", expect=69)
        self.run_ctl("backup", str(self.folder / "other.db"), expect=69)
        self.assertEqual(path.read_bytes(), self.daemon.backup_bytes)
        self.daemon.backup_cut = False
        self.daemon.backup_bytes = b"not a database"
        self.run_ctl("backup", str(self.folder / "other.db"), expect=1)
        self.daemon.fail_next = [(503, "store_unavailable")]
        self.run_ctl("backup", str(self.folder / "other.db"), expect=1)
        self.run_ctl("backup", "/nonexistent/x.db", expect=1)
        self.assertEqual(set(self.folder.iterdir()), before)

    def test_backup_to_standard_output(self):
        def backup(expect, *options, **kwargs):
            done = subprocess.run([CTL, "--socket", self.socket, *options, "backup", "-"], cwd=self.folder, timeout=30,
                                  env=ENV,
                                  stderr=subprocess.PIPE, **kwargs)
            self.assertEqual(done.returncode, expect, done.stderr)
            return done

        for options in ((), ("--json",)):
            done = backup(0, *options, stdout=subprocess.PIPE)
            self.assertEqual(done.stdout, self.daemon.backup_bytes, "the copy and nothing else")
            self.assertIn(b"written", done.stderr)
        with open(self.folder / "copy.db", "wb") as copy:
            backup(0, stdout=copy)
        self.assertEqual((self.folder / "copy.db").read_bytes(), self.daemon.backup_bytes)
        near, far = pty.openpty()
        self.addCleanup(os.close, near)
        self.addCleanup(os.close, far)
        self.assertIn(b"terminal", backup(1, stdout=far).stderr)
        reading, writing = os.pipe()
        os.close(reading)
        self.assertIn(b"reader went away", backup(1, stdout=writing).stderr)
        os.close(writing)
        self.daemon.backup_cut = True
        backup(69, stdout=subprocess.DEVNULL)
        self.daemon.backup_cut = False
        self.daemon.backup_bytes = b"not a database"
        self.assertIn(b"not a whole database", backup(1, stdout=subprocess.DEVNULL).stderr)
        self.assertFalse((self.folder / "-").exists())

    def test_with_its_descriptors_closed_nothing_is_printed_into_a_file(self):
        path = self.folder / "copy.db"
        subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", CTL, "--socket", self.socket, "backup", str(path)],
                       timeout=30, env=ENV, check=True)
        self.assertEqual(path.read_bytes(), self.daemon.backup_bytes)

    def test_secrets(self):
        first, _ = self.run_ctl("secret", "new")
        second, _ = self.run_ctl("--json", "secret", "new")
        self.assertRegex(first, r"^whsec_[A-Za-z0-9+/]{43}=\n$")
        self.assertNotEqual(first.strip(), json.loads(second)["secret"])


if __name__ == "__main__":
    unittest.main()
