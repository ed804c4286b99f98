#!/usr/bin/env python3
"""prooftrackctl doctor with the real programs: all well, and each thing that is not."""

import json
import os
import signal
import subprocess
import time
import unittest
from pathlib import Path

from harness import SystemCase, program, wait_until
from store_switch import ON_POSTGRES


class Doctor(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox()
        self.receiver = self.start_receiver()

    def run_doctor(self, *arguments, expect=None, env=None):
        begin = time.monotonic()
        done = subprocess.run([program("prooftrackctl"), "--json", "doctor", *arguments], capture_output=True,
                              text=True, timeout=120, env={**os.environ, **(env or {})})
        self.assertLess(time.monotonic() - begin, 90, "every check has a deadline")
        self.assertEqual(done.stderr, "")
        findings = [json.loads(line) for line in done.stdout.splitlines()]
        if expect is not None:
            self.assertEqual(done.returncode, expect, findings)
        self.assertEqual(done.returncode == 0, all(one["result"] == "ok" for one in findings))
        return findings

    def doctor(self, *arguments, expect=1, env=None):
        return self.run_doctor("--socket", self.daemon.socket, *arguments, expect=expect, env=env)

    def one(self, findings, check, result):
        found = [one for one in findings if one["check"] == check and one["result"] == result]
        self.assertEqual(len(found), 1, (check, result, findings))
        if result != "ok":
            self.assertTrue(found[0]["advice"] or check in ("token", "certificate"), found)
        return found[0]

    def results(self, findings):
        return {(one["check"], one["result"]) for one in findings}

    def start(self, callbacks=None, **sections):
        return self.start_daemon([self.callback(self.receiver)] if callbacks is None else callbacks, **sections)

    def test_all_is_well_before_the_first_order(self):
        self.start()
        findings = self.doctor("--test", expect=0)
        self.assertEqual({check for check, _ in self.results(findings)},
                         {"config", "file", "socket", "daemon", "proof", "certificate", "token", "clock", "disk",
                          "polls", "callback backend"} | ({"cluster"} if ON_POSTGRES else set()))
        self.assertEqual(len(self.receiver.events("callback.test")), 1)
        self.doctor(expect=0)
        self.assertEqual(len(self.receiver.events("callback.test")), 1, "only with --test")
        self.assertIn(str(self.daemon.config_path), self.one(findings, "config", "ok")["what"])
        asked = [one["path"] for one in self.sandbox.log()]
        self.assertTrue(asked and all(path.startswith("/widget/users/") for path in asked), asked)

    def test_people_get_a_table_with_what_to_do(self):
        self.start([])
        done = subprocess.run([program("prooftrackctl"), "--socket", self.daemon.socket, "doctor"], capture_output=True,
                              text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"})
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"(?m)^ok       socket +\S+ answers, mode 0660$")
        self.assertRegex(done.stdout, r"(?m)^warning  listener +nobody is told")
        self.assertRegex(done.stdout, r"(?m)^ +→ add a \[\[callback\]\]")
        self.assertRegex(done.stdout, r"\n0 problems, \d warnings?\n$")

    def test_a_wrong_token(self):
        token = self.folder / "token"
        token.write_text("wrong\n")
        token.chmod(0o600)
        self.start(proof={"token_file": str(token)})
        self.one(self.doctor(), "token", "problem")
        token.write_text(self.sandbox.token + "\n")
        wait_until(lambda: self.daemon.logged("proof.token_changed"), 10, "the new token")
        self.one(self.doctor(expect=0), "token", "ok")

    def test_a_proof_that_cannot_be_reached(self):
        self.start(proof={"connect_timeout": "1s"})
        self.sandbox.stop()
        findings = self.doctor()
        self.assertIn("cannot be reached", self.one(findings, "proof", "problem")["what"])
        self.one(findings, "token", "warning")

    def test_a_certificate_that_is_not_trusted(self):
        other = self.start_sandbox(name="other")
        self.start(proof={"ca_file": other.ca_file})
        self.assertIn("ca_file", self.one(self.doctor(), "certificate", "problem")["advice"])

    def test_a_secret_that_others_can_read(self):
        self.start()
        Path(self.receiver.secret_file).chmod(0o644)
        found = self.one(self.doctor(), "file", "problem")
        self.assertIn("0644", found["what"])
        self.assertIn("chmod", found["advice"])

    def test_callbacks_that_fail(self):
        gone = self.start_receiver(name="gone")
        gone.close()
        self.start([self.callback(self.receiver), self.callback(gone, name="gone", retry_schedule=["100ms"])])
        findings = self.doctor("--test")
        self.one(findings, "callback backend", "ok")
        self.assertIn("refused", self.one(findings, "callback gone", "problem")["what"])
        self.one(self.doctor(expect=0), "callback gone", "ok")
        self.sandbox.set("a-1", status="completed")
        self.daemon.track("a-1")
        wait_until(lambda: self.daemon.logged("callback.dead"), 15, "a dead delivery")
        self.assertIn("1 deliveries are dead", self.one(self.doctor(), "callback gone", "problem")["what"])

    def test_maintenance_is_said(self):
        self.start()
        self.daemon.api("PUT", "/v1/maintenance", {"on": True, "note": "Proof moves"})
        self.assertIn("(Proof moves)", self.one(self.doctor(), "maintenance", "warning")["what"])

    def test_a_configuration_that_was_refused(self):
        self.start()
        good = self.daemon.config_path.read_text()
        self.daemon.config_path.write_text(good + "\n[pol]\n")
        self.daemon.reload()
        self.daemon.wait_log("config.refused")
        problems = [one for one in self.doctor() if (one["check"], one["result"]) == ("config", "problem")]
        self.assertEqual(len(problems), 2, "the file, and that the daemon goes on without it")
        self.assertIn("pol", problems[0]["what"])
        self.assertIn("goes on with the configuration before", problems[1]["what"])

    def test_a_daemon_that_does_not_run(self):
        daemon = self.make_daemon([self.callback(self.receiver)])
        daemon.write_config()
        findings = self.run_doctor("--config", str(daemon.config_path), expect=1)
        self.assertIn(daemon.socket, self.one(findings, "socket", "problem")["what"], "the configuration names it")
        self.one(findings, "config", "ok")
        self.assertIn("systemctl start", self.one(findings, "socket", "problem")["advice"])
        daemon.start()
        self.run_doctor("--config", str(daemon.config_path), expect=0)
        daemon.kill()  # its socket stays
        self.assertIn("nobody answers", self.one(self.doctor("--config", str(daemon.config_path)), "socket",
                                                 "problem")["what"])
        Path(self.receiver.secret_file).unlink()
        findings = self.doctor("--config", str(daemon.config_path))
        self.assertIn("No such file", self.one(findings, "file", "problem")["what"])
        self.assertIn(("config", "problem"), self.results(findings), "prooftrackd --check-config reads it")

    def test_nothing_there_at_all(self):
        findings = self.run_doctor("--socket", str(self.folder / "none.sock"),
                                   "--config", str(self.folder / "none.toml"), expect=1)
        self.assertEqual(self.results(findings), {("config", "problem"), ("socket", "problem")})
        (self.folder / "none.sock").write_text("")
        findings = self.run_doctor("--socket", str(self.folder / "none.sock"), expect=1)
        self.assertIn("is no socket", self.one(findings, "socket", "problem")["what"])

    def test_a_daemon_that_hangs_is_no_reason_to_wait_for_ever(self):
        daemon = self.start()
        daemon.process.signal(signal.SIGSTOP)
        try:
            findings = self.doctor("--config", str(daemon.config_path))
        finally:
            daemon.process.signal(signal.SIGCONT)
        self.assertIn("no answer", self.one(findings, "daemon", "problem")["what"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
