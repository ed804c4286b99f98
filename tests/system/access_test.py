#!/usr/bin/env python3
"""Who may do what over the socket, and what is never written anywhere."""

import grp
import http.client
import json
import os
import socket
import subprocess
import unittest

from harness import SystemCase, exchange, program, wait_until

# Not `nobody`: that number stands for every user of another namespace and is never anybody's.
STRANGER = 54321


@unittest.skipUnless(os.geteuid() == 0, "needs root to be somebody else")
class Access(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        try:
            self.admins = grp.getgrnam("daemon")
        except KeyError:
            self.skipTest("no group daemon")
        self.folder.chmod(0o755)

    def ask(self, method, target, body=None, groups=()):
        """The status that the stranger gets, or the error's name."""
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups(list(groups))
                os.setgid(STRANGER)
                os.setuid(STRANGER)
                answer = str(self.daemon.api(method, target, body).status)
            except BaseException as error:  # noqa: BLE001: whatever it is, the parent is told
                answer = type(error).__name__
            os.write(theirs, answer.encode())
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        return answer

    def test_readers_read_and_admins_change(self):
        self.start_daemon([], api={"mode": "0666", "admin_group": self.admins.gr_name})
        self.assertEqual(os.stat(self.daemon.socket).st_mode & 0o777, 0o666)
        self.daemon.track("mine")
        body = json.dumps({"merchant_transaction_id": "theirs"})
        for method, target, data in (("POST", "/v1/transactions", body), ("DELETE", "/v1/transactions/mine", None),
                                     ("POST", "/v1/transactions/mine/poll", None), ("GET", "/v1/backup", None),
                                     ("GET", "/v1/users/u/kyc-status", None),
                                     ("PUT", "/v1/maintenance", '{"on":true}'),
                                     ("PUT", "/v1/log-level", '{"level":"debug"}')):
            self.assertEqual(self.ask(method, target, data), "403", target)
        for target in ("/v1/transactions/mine", "/v1/events", "/v1/status", "/metrics"):
            self.assertEqual(self.ask("GET", target), "200", target)
        self.assertEqual(self.ask("POST", "/v1/transactions", body, groups=[self.admins.gr_gid]), "201")
        change = [line for line in self.daemon.logged("api.change") if str(line.get("uid")) == str(STRANGER)]
        self.assertTrue(change, "a change is logged with who did it")

    def test_a_closed_mode_keeps_strangers_out(self):
        self.start_daemon([])
        self.assertEqual(self.ask("GET", "/healthz"), "PermissionError")


class Quiet(SystemCase):
    """Canaries: what must not be written is nowhere."""

    def test_nothing_secret_is_anywhere(self):
        self.start_sandbox()
        receiver = self.start_receiver()
        secret_file = self.write_secret("own.secret", receiver.secrets)
        daemon = self.start_daemon([self.callback(receiver)],
                                   callback_url={"allow_hosts": ["127.0.0.1"], "secret_file": secret_file},
                                   log={"format": "logfmt", "level": "debug"})
        canaries = {"metadata": "canary-metadata", "email": "canary-mail@shop.example", "query": "canary-query",
                    "ip": "203.0.113.77",
                    "user": "canary-user"}
        body = {"partner_user_id": canaries["user"], "user_email": canaries["email"], "currency": "USDT",
                "network": "TRC20", "amount": "1.50",
                "client_ip": canaries["ip"],
                "tracking": {"metadata": {"note": canaries["metadata"]},
                             "callback_url": f"{receiver.url}?q={canaries['query']}"}}
        reply = daemon.api("POST", "/v1/sessions", body)
        identifier = reply.json["merchant_transaction_id"]
        daemon.api("GET", f"/v1/users/{canaries['user']}/kyc-status")
        daemon.wait_state(identifier, "settled")
        wait_until(lambda: len(receiver.of(identifier)) == 2, 10, "both callbacks")
        daemon.api("POST", "/v1/transactions", '{"merchant_transaction_id": "x", "metadata": {"note": '
                                               '"canary-metadata"')
        written = {"log": daemon.process.output(), "metrics": daemon.api("GET", "/metrics").body.decode(),
                   "status": daemon.api("GET", "/v1/status").body.decode(),
                   "command line": open(f"/proc/{daemon.process.pid}/cmdline").read(),
                   "environment": open(f"/proc/{daemon.process.pid}/environ").read()}
        never = [self.sandbox.token, reply.json["init_token"], *receiver.secrets,
                 receiver.secrets[0].removeprefix("whsec_"), *canaries.values()]
        for where, text in written.items():
            for word in never:
                self.assertNotIn(word, text, where)
        daemon.stop()
        for path in (self.folder / "state").iterdir():
            content = path.read_bytes()
            for word in (self.sandbox.token, reply.json["init_token"], canaries["email"], canaries["ip"],
                         *receiver.secrets):
                self.assertNotIn(word.encode(), content, f"{word} in {path}")

    def test_words_from_outside_cannot_forge_a_line(self):
        self.start_sandbox()
        daemon = self.start_daemon([], log={"format": "logfmt", "level": "debug"})
        self.sandbox.set("forge", status="odd\nevent=daemon.stopped \x1b[31m\"")
        daemon.track("forge")
        wait_until(lambda: "proof.unknown_status" in daemon.process.output() or daemon.get("forge")["last_error"], 10,
                   "the word was seen")
        lines = daemon.process.output().splitlines()
        self.assertFalse([line for line in lines if line.startswith("event=daemon.stopped")])
        self.assertNotIn("\x1b", daemon.process.output())


class MetricsOverTcp(SystemCase):
    def test_metrics_and_nothing_else(self):
        self.start_sandbox()
        port_holder = socket.create_server(("127.0.0.1", 0))
        port = port_holder.getsockname()[1]
        port_holder.close()
        self.start_daemon([], metrics={"listen": f"127.0.0.1:{port}"})

        def ask(method, target):
            return exchange(http.client.HTTPConnection("127.0.0.1", port, timeout=10), method, target)
        reply = ask("GET", "/metrics")
        self.assertEqual(reply.status, 200)
        for name in ("prooftrackd_polls_total", "prooftrackd_proof_up", "prooftrackd_build_info",
                     "prooftrackd_store_bytes",
                     "prooftrackd_loop_lag_seconds", "prooftrackd_connections",
                     "prooftrackd_config_last_reload_successful"):
            self.assertIn(name.encode(), reply.body)
        for method, target in (("GET", "/v1/status"), ("GET", "/v1/transactions"), ("POST", "/metrics"), ("GET", "/")):
            self.assertIn(ask(method, target).status, (404, 405), target)


class ControlExits(SystemCase):
    """prooftrackctl's exit status against the real daemon."""

    def test_each_end_has_its_status(self):
        self.start_sandbox()
        self.start_daemon([], poll={"tail_interval": "500ms"})
        ctl = [program("prooftrackctl"), "--socket", self.daemon.socket]

        def run(*arguments):
            return subprocess.run([*ctl, *arguments], capture_output=True, text=True, timeout=60)
        for status, code in (("completed", 0), ("failed", 2), ("cancelled", 3)):
            self.sandbox.set(f"x-{status}", status=status)
            self.assertEqual(run("track", f"x-{status}", "--wait").returncode, code)
            self.assertEqual(run("wait", f"x-{status}").returncode, code)
        self.sandbox.set("x-open", status="pending")
        self.assertEqual(run("track", "x-open").returncode, 0)
        self.assertEqual(run("wait", "x-open", "--timeout", "300ms").returncode, 5)
        self.assertEqual(run("untrack", "x-open").returncode, 0)
        self.assertEqual(run("wait", "x-open").returncode, 4)
        self.assertEqual(run("get", "nobody").returncode, 1)
        self.assertEqual(run("nonsense").returncode, 64)
        shown = json.loads(run("--json", "get", "x-failed").stdout)
        self.assertEqual(shown["status"], "failed")
        self.daemon.stop()
        self.assertEqual(run("status").returncode, 69)


if __name__ == "__main__":
    unittest.main()
