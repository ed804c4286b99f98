#!/usr/bin/env python3
"""Mutual TLS: the daemon shows a certificate to Proof and to receivers that demand one."""

import shutil
import socket
import subprocess
import unittest
from pathlib import Path

from harness import SystemCase, new_secret, program, wait_until
from tls_parts import HttpsReceiver, TlsFront, issue, server_context


class MutualTls(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        server = issue(self.sandbox, self.folder, "front")
        self.subjects = []
        context = server_context(self.sandbox, server, demands_certificate=True)
        self.front = TlsFront("127.0.0.1", context, self.connect_to_sandbox, self.subjects)
        self.addCleanup(self.front.close)
        self.pair = self.copy_of(issue(self.sandbox, self.folder, "merchant-1", usage="clientAuth"))
        self.proof = {"base_url": f"https://127.0.0.1:{self.front.port}",
                      "client_certificate": str(self.pair.certificate), "client_key": str(self.pair.key)}

    def connect_to_sandbox(self):
        host, port = self.sandbox.listen.rsplit(":", 1)
        return self.sandbox.tls.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host)

    def copy_of(self, pair):
        """Files of their own, which a later pair takes the place of."""
        for attribute, name in (("certificate", "client.pem"), ("key", "client.key")):
            shutil.copy(getattr(pair, attribute), self.folder / name)
            setattr(pair, attribute, self.folder / name)
        pair.key.chmod(0o600)
        return pair

    def settle(self, identifier):
        self.sandbox.set(identifier, status="completed")
        self.daemon.track(identifier)
        self.daemon.wait_state(identifier, "settled")

    def start_shop(self):
        secrets = [new_secret()]
        context = server_context(self.sandbox, issue(self.sandbox, self.folder, "shop"), demands_certificate=True)
        shop = HttpsReceiver(secrets, "127.0.0.1", context)
        self.addCleanup(shop.close)
        shop.secret_file = self.write_secret("shop.secret", secrets)
        return shop

    def test_proof_and_a_receiver_see_it(self):
        shop = self.start_shop()
        pair = {key: self.proof[key] for key in ("client_certificate", "client_key")}
        callback = self.callback(shop, ca_file=self.sandbox.ca_file, **pair)
        daemon = self.start_daemon([callback], proof=self.proof)
        self.settle("a")
        self.assertEqual(daemon.api("GET", "/v1/users/u/kyc-status").status, 200)
        wait_until(lambda: shop.of("a"), 10, "the webhook")
        self.assertEqual((set(self.subjects), set(shop.subjects)), ({"merchant-1"}, {"merchant-1"}))

    def test_without_one_nothing_gets_through(self):
        shop = self.start_shop()
        daemon = self.start_daemon([self.callback(shop, ca_file=self.sandbox.ca_file)],
                                   proof={"base_url": self.proof["base_url"]})
        daemon.track("w")
        error = wait_until(lambda: daemon.get("w")["last_error"], 10, "an error")
        self.assertRegex(error, "certificate|connection closed|reset")
        self.assertEqual(self.sandbox.log(), [])
        tested = daemon.api("POST", "/v1/callbacks/backend/test").json
        self.assertIsNone(tested["status"])
        self.assertEqual(shop.deliveries, [])

    def test_a_renewed_pair_is_taken_at_a_reload_and_one_that_does_not_fit_is_not(self):
        daemon = self.start_daemon([], proof=self.proof)
        self.settle("first")
        new = issue(self.sandbox, self.folder, "merchant-2", usage="clientAuth")
        shutil.copy(new.certificate, self.pair.certificate)
        daemon.reload()
        refused = daemon.wait_log("config.refused")[0]
        self.assertEqual(refused["key"], "proof.client_key")
        self.assertIn("it is not the key of the certificate", refused["error"])
        checked = subprocess.run([program("prooftrackd"), "--check-config", "--config", daemon.config_path],
                                 capture_output=True, text=True, timeout=20)
        self.assertEqual(checked.returncode, 78)
        self.assertIn("client_key", checked.stderr)
        self.settle("second")
        self.assertEqual(set(self.subjects), {"merchant-1"})
        shutil.copy(new.key, self.pair.key)
        daemon.reload()
        daemon.wait_log("config.reloaded")
        self.settle("third")
        wait_until(lambda: "merchant-2" in self.subjects, 10, "the new certificate")

    def test_a_start_with_a_wrong_pair_is_refused_and_an_open_key_is_warned_of(self):
        Path(self.pair.key).chmod(0o644)
        daemon = self.start_daemon([], proof=self.proof)
        self.assertEqual([line["file"] for line in daemon.logged("config.insecure_file")], [str(self.pair.key)])
        daemon.stop()
        del daemon.config["proof"]["client_key"]
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(20), 78)
        self.assertIn("needs client_key beside it", daemon.process.output())


if __name__ == "__main__":
    unittest.main()
