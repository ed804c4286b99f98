#!/usr/bin/env python3
"""How the daemon starts, refuses to start, reloads and stops."""

import os
import signal
import socket
import subprocess
import time
import unittest

from harness import SystemCase, new_secret, program, wait_until
from store_switch import ON_POSTGRES, about_sqlite


class Arguments(unittest.TestCase):
    def run_daemon(self, *arguments):
        return subprocess.run([program("prooftrackd"), *arguments], capture_output=True, text=True, timeout=30)

    def test_help_and_version(self):
        for option in ("--help", "--version"):
            done = self.run_daemon(option)
            self.assertEqual(done.returncode, 0)
            self.assertTrue(done.stdout)

    def test_wrong_arguments_are_64(self):
        for arguments in ((), ("--nonsense",), ("--config",), ("extra",)):
            done = self.run_daemon(*arguments)
            self.assertEqual(done.returncode, 64, arguments)
            self.assertTrue(done.stderr)

    def test_the_sandbox_too(self):
        done = subprocess.run([program("proof-sandbox"), "--nonsense"], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 64)
        done = subprocess.run([program("proof-sandbox"), "--help"], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0)
        self.assertIn("/sandbox/faults", done.stdout)


class Configuration(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")

    def check(self, text):
        path = self.folder / "check.toml"
        path.write_text(text)
        return subprocess.run([program("prooftrackd"), "--check-config", "--config", str(path)], capture_output=True,
                              text=True, timeout=30)

    def start_expecting(self, status, **sections):
        daemon = self.make_daemon([], **sections)
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(30), status, daemon.process.output())
        return daemon.process.output()

    def test_the_reference_is_valid(self):
        reference = os.path.join(os.path.dirname(__file__), "../../conf/prooftrackd.toml")
        if not os.path.exists(reference):
            self.skipTest("no conf/prooftrackd.toml yet")
        done = subprocess.run([program("prooftrackd"), "--check-config", "--config", reference], capture_output=True,
                              text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_every_mistake_is_named_at_once_with_its_place(self):
        done = self.check('[proof]\nbase_ulr = "https://proof.example"\nconnections = "many"\n\n[poll]\ninterval = '
                          '[5, 10]\n'
                          'not_found_grace = "15"\n\n[[callback]]\nname = "Bad Name"\nurl = '
                          '"http://shop.example/"\nevents = ["transaction.done"]\n')
        self.assertEqual(done.returncode, 78)
        for word in ("base_ulr", "base_url", "connections", "interval", "not_found_grace", "callback.name",
                     "callback.url", "transaction.done", "check.toml"):
            self.assertIn(word, done.stderr)
        self.assertRegex(done.stderr, r"check\.toml:2:\d+")

    def test_refused_configurations_are_78(self):
        good = f'[proof]\nbase_url = "{self.sandbox.base_url}"\ntoken_file = "{self.sandbox.folder}/client_token"\n'
        self.assertEqual(self.check(good).returncode, 0)
        for wrong in ('[proof]\n', '[proof]\nbase_url = "http://proof.example"\n', "not toml", '[nonsense]\na = 1\n',
                      good + '[poll]\ninterval = ["10s", "5s"]\n', good + '[poll]\ninterval = ["10ms", "20ms"]\n',
                      good + '[api]\nmode = "0666"\n', good + '[[callback]]\nname = "a"\n',
                      good + '[[callback]]\nname = "a"\nurl = "https://x.example/"\n',
                      good + '[[callback]]\nname = "callback_url"\ncommand = ["/bin/true"]\n',
                      good + '[[callback]]\nname = "a"\ncommand = ["/bin/true"]\n' * 2,
                      good + '[callback_url]\nallow_hosts = ["shop.example"]\n',
                      good + '[metrics]\nlisten = "0.0.0.0:9464"\n'):
            done = self.check(wrong)
            self.assertEqual(done.returncode, 78, wrong)
            self.assertTrue(done.stderr.strip(), wrong)

    def test_missing_and_empty_secrets_are_78(self):
        self.start_expecting(78, proof={"token_file": str(self.folder / "nothing")})
        empty = self.folder / "empty"
        empty.write_text("\n")
        self.start_expecting(78, proof={"token_file": str(empty)})

    def test_a_second_daemon_is_refused_with_75(self):
        self.start_daemon([])
        first = self.daemon
        text = self.start_expecting(75, api={"socket": str(self.folder / "second.sock")})
        self.assertIn(str(first.process.pid), text, "the holder is named")
        self.assertEqual(first.api("GET", "/healthz").status, 200)
        text = self.start_expecting(75, store={"path": str(self.folder / "state" / "other.db")})
        self.assertIn("api.sock", text)
        self.assertEqual(first.api("GET", "/healthz").status, 200)

    def test_a_stale_socket_is_taken_over(self):
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(self.folder / "api.sock"))
        stale.close()
        self.start_daemon([])
        self.assertEqual(self.daemon.api("GET", "/healthz").status, 200)
        self.assertEqual(os.stat(self.daemon.socket).st_mode & 0o777, 0o660)

    @about_sqlite("its file is damaged")
    def test_a_damaged_database_is_65_and_kept(self):
        database = self.folder / "state" / "prooftrackd.db"
        (self.folder / "state").mkdir(mode=0o700)
        database.write_bytes(b"this is not a database" * 500)
        text = self.start_expecting(65)
        self.assertIn("restore", text)
        self.assertNotIn("…", text, "the advice is whole")
        self.assertEqual(database.read_bytes(), b"this is not a database" * 500)

    def test_insecure_secret_files_are_warned_about(self):
        receiver = self.start_receiver()
        os.chmod(receiver.secret_file, 0o644)
        daemon = self.start_daemon([self.callback(receiver)])
        self.assertTrue(daemon.logged("config.insecure_file"))

    def test_nobody_listening_is_warned_about(self):
        daemon = self.start_daemon([])
        self.assertEqual(len(daemon.logged("config.no_listener")), 1)
        daemon.reload()
        daemon.wait_log("config.no_listener", 2)
        self.assertEqual(daemon.api("PUT", "/v1/consumers/ledger").status, 201)
        daemon.reload()
        daemon.wait_log("config.reloaded", 2)
        # the store answers in order: it was asked before
        self.assertEqual(daemon.api("GET", "/v1/consumers").status, 200)
        self.assertEqual(len(daemon.logged("config.no_listener")), 2)

    def test_reload_takes_a_good_file_and_leaves_a_bad_one(self):
        receiver = self.start_receiver()
        daemon = self.start_daemon([])
        daemon.config["callback"] = [self.callback(receiver)]
        daemon.write_config()
        daemon.reload()
        daemon.wait_log("config.reloaded")
        self.sandbox.set("r1", status="completed")
        daemon.track("r1")
        wait_until(lambda: receiver.of("r1"), 10, "the new callback")
        daemon.config_path.write_text("[poll]\nnonsense = 1\n")
        daemon.reload()
        refused = daemon.wait_log("config.refused")
        self.assertTrue(refused)
        self.sandbox.set("r2", status="failed")
        daemon.track("r2")
        wait_until(lambda: receiver.of("r2"), 10, "the old configuration is in force")
        daemon.config["store"]["path"] = str(self.folder / "state" / "elsewhere.db")
        daemon.write_config()
        daemon.reload()
        restart = daemon.wait_log("config.restart_required")
        self.assertIn("store.url" if ON_POSTGRES else "store.path", str(restart[-1]))
        self.assertFalse((self.folder / "state" / "elsewhere.db").exists())

    def test_a_rotated_secret_signs_after_a_reload(self):
        receiver = self.start_receiver()
        daemon = self.start_daemon([self.callback(receiver)])
        fresh = new_secret()
        self.write_secret("receiver.secret", [fresh, receiver.secrets[0]])
        daemon.reload()
        daemon.wait_log("config.reloaded")
        receiver.secrets = [fresh]
        self.sandbox.set("rot", status="completed")
        daemon.track("rot")
        delivery = wait_until(lambda: receiver.of("rot"), 10, "the callback")[0]
        self.assertTrue(delivery.verified)
        self.assertEqual(len(delivery.headers["webhook-signature"].split(" ")), 2)

    def test_another_base_url_is_pointed_out(self):
        daemon = self.start_daemon([])
        daemon.track("old-proof")
        daemon.stop()
        second = self.start_sandbox("--accept-any", name="second")
        daemon.config["proof"].update(base_url=second.base_url, token_file=str(second.folder / "client_token"),
                                      ca_file=second.ca_file)
        daemon.start()
        self.assertTrue(daemon.logged("config.base_url_changed"))

    def test_a_second_signal_stops_at_once(self):
        self.sandbox.fault("stall", at="before")
        daemon = self.start_daemon([], stop_timeout="20s", proof={"request_timeout": "30s"})
        daemon.track("slow")
        wait_until(lambda: self.sandbox.polls("slow"), 5, "a poll in flight")
        began = time.monotonic()
        daemon.process.signal(signal.SIGTERM)
        daemon.wait_log("daemon.stopping")
        time.sleep(0.3)
        daemon.process.signal(signal.SIGTERM)
        daemon.process.wait(10)
        self.assertLess(time.monotonic() - began, 8)
        daemon.start()
        self.assertEqual(daemon.get("slow")["state"], "tracking")

    def test_stop_waits_no_longer_than_the_timeout(self):
        self.sandbox.fault("stall", at="before")
        daemon = self.start_daemon([], stop_timeout="1s", proof={"request_timeout": "60s"})
        daemon.track("slow")
        wait_until(lambda: self.sandbox.polls("slow"), 5, "a poll in flight")
        began = time.monotonic()
        self.assertEqual(daemon.stop(), 0)
        self.assertLess(time.monotonic() - began, 5)


if __name__ == "__main__":
    unittest.main()
