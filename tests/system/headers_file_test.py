#!/usr/bin/env python3
"""`headers_file` of a callback: sent with each attempt, reread like a secret, and never shown."""

import subprocess
import unittest

from harness import SystemCase, program, wait_until


class HeadersFile(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.receiver = self.start_receiver()
        self.file = self.folder / "headers"
        self.write("X-Gateway-Key: first-hush\r\nAuthorization: Bearer first-hush\r\n")
        self.count = 0

    def write(self, text, mode=0o600):
        """Replaces the file as a whole: a half-written one could be read."""
        new = self.folder / "headers.new"
        new.write_bytes(text.encode("latin-1"))
        new.chmod(mode)
        new.rename(self.file)

    def start(self, **keys):
        return self.start_daemon([self.callback(self.receiver, headers_file=str(self.file), **keys)])

    def delivered(self):
        self.count += 1
        self.sandbox.set(f"h{self.count}", status="completed")
        self.daemon.track(f"h{self.count}")
        return wait_until(lambda: self.receiver.of(f"h{self.count}"), 10, "the webhook")[0]

    def test_each_attempt_and_the_test_carry_them(self):
        self.start(retry_schedule=["200ms", "200ms"])
        answers = [500, 204]
        self.receiver.answer = lambda delivery: answers.pop(0) if answers else 204
        self.delivered()
        wait_until(lambda: len(self.receiver.deliveries) == 2, 10, "two attempts")
        test = [program("prooftrackctl"), "--socket", self.daemon.socket, "callback", "test", "backend"]
        tested = subprocess.run(test, capture_output=True, text=True, timeout=30)
        self.assertEqual(tested.returncode, 0, tested.stderr)
        self.assertEqual(len(self.receiver.events("callback.test")), 1)
        for delivery in self.receiver.deliveries:
            self.assertTrue(delivery.verified)
            self.assertEqual(delivery.headers["x-gateway-key"], "first-hush")
            self.assertEqual(delivery.headers["authorization"], "Bearer first-hush")
        self.shown_nowhere("first-hush", tested.stdout)

    def shown_nowhere(self, secret, *others):
        shown = [self.daemon.process.output(), *others]
        for target in ("/v1/status", "/v1/deliveries", "/metrics", "/v1/events"):
            shown.append(self.daemon.api("GET", target).body.decode())
        for text in shown:
            self.assertNotIn(secret, text)

    def test_a_changed_file_is_used_at_once_and_a_bad_one_is_not(self):
        daemon = self.start()
        self.delivered()
        self.write("X-Gateway-Key: second-hush\n")
        told = daemon.wait_log("callback.headers_changed", timeout=4)[0]
        self.assertEqual((told["callback"], told["file"], told["headers"]), ("backend", str(self.file), 1))
        self.assertNotIn("authorization", self.delivered().headers)
        for number, bad in enumerate(("X-Gateway-Key third-hush\n", "X: a\nHost: third-hush\n",
                                      "X: third-hush\rY: z\n"), 1):
            self.write(bad)
            warned = daemon.wait_log("config.warning", number, timeout=4)[-1]
            self.assertEqual((warned["callback"], warned["file"]), ("backend", str(self.file)))
            self.assertRegex(warned["error"], r"headers: line \d: ")
        self.file.unlink()
        warned = daemon.wait_log("config.warning", 4, timeout=4)[-1]
        self.assertIn("No such file", warned["error"])
        self.assertEqual(self.delivered().headers["x-gateway-key"], "second-hush", "the last good one")
        self.write("", mode=0o644)
        self.assertEqual(daemon.wait_log("callback.headers_changed", 2, timeout=4)[-1]["headers"], 0)
        self.assertEqual(daemon.wait_log("config.insecure_file")[-1]["file"], str(self.file))
        self.assertNotIn("x-gateway-key", self.delivered().headers, "an empty file is no header")
        self.shown_nowhere("-hush")

    def test_a_refused_reload_leaves_the_old_ones(self):
        daemon = self.start()
        self.delivered()
        self.write("X-Gateway-Key: second-hush\n")
        daemon.config["proof"]["token_file"] = str(self.folder / "missing")
        daemon.write_config()
        daemon.reload()
        daemon.wait_log("config.refused")
        if not daemon.logged("callback.headers_changed"):  # else the look once a second came before the reload
            self.assertEqual(self.delivered().headers["x-gateway-key"], "first-hush")
        daemon.config["proof"]["token_file"] = str(self.sandbox.folder / "client_token")
        self.write("X-Gateway-Key: third-hush\n")
        daemon.write_config()
        daemon.reload()
        daemon.wait_log("config.reloaded")
        self.assertEqual(self.delivered().headers["x-gateway-key"], "third-hush")

    def test_over_a_unix_socket_too(self):
        self.receiver = self.start_receiver(unix=True, name="unix")
        self.start()
        self.assertEqual(self.delivered().headers["authorization"], "Bearer first-hush")

    def test_missing_or_malformed_is_78_at_the_start_and_in_the_check(self):
        daemon = self.make_daemon([self.callback(self.receiver, headers_file=str(self.file))])
        check = [program("prooftrackd"), "--check-config", "--config", str(daemon.config_path)]
        daemon.write_config()
        self.assertEqual(subprocess.run(check, capture_output=True, timeout=30).returncode, 0)
        for text in ("Content-Type: hush\n", "X-Key: a\n\nwebhook-id: hush\n", "hush\n", "X: hush\0\n",
                     "X: " + "hush" * 1024 + "\n", "".join(f"X-{n}: hush\n" for n in range(33)), None):
            if text is None:
                self.file.unlink()
            else:
                self.write(text)
            done = subprocess.run(check, capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 78, text)
            line = r"" if text is None else r": line \d+: "
            self.assertRegex(done.stderr, rf"callback\.headers_file: read {self.file}{line}")
            self.assertNotIn("hush", done.stderr)
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(30), 78)
        self.assertEqual(daemon.logged("config.refused")[0]["key"], "callback.headers_file")

    def test_a_command_has_none(self):
        daemon = self.make_daemon([{"name": "ledger", "command": ["/bin/true"], "headers_file": str(self.file)}])
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(30), 78)
        self.assertEqual(daemon.logged("config.refused")[0]["key"], "callback.headers_file")


if __name__ == "__main__":
    unittest.main()
