#!/usr/bin/env python3
"""The receivers' examples without a framework against the real daemon. And the daemon's signatures, checked by a
library that is not ours."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import client_case
from client_case import NODE, PHP, RECEIVERS, npm_install
from harness import SystemCase, new_secret, wait_until


@NODE
class Node(client_case.ClientCase):
    def command(self, port):
        return ["node", str(RECEIVERS / "node" / "examples" / "http.mjs")]


class Python(client_case.ClientCase):
    environment = {"PYTHONPATH": str(RECEIVERS / "python"), "PYTHONDONTWRITEBYTECODE": "1"}

    def command(self, port):
        return [sys.executable, str(RECEIVERS / "python" / "examples" / "wsgi_app.py")]


@PHP
class Php(client_case.ClientCase):
    has_no_start = True

    def command(self, port):
        return ["php", "-S", f"127.0.0.1:{port}", str(RECEIVERS / "php" / "examples" / "front.php")]


class Interoperability(SystemCase):
    """With the npm package `standardwebhooks`, installed here into a throw-away folder."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.packages = tempfile.mkdtemp(prefix="pt-npm-", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.packages, True)
        npm_install(cls.packages, "standardwebhooks@1")

    def check(self, *cases):
        given = json.dumps([{"secret": secret, "headers": headers, "body": base64.b64encode(body).decode()}
                            for secret, headers, body in cases])
        done = subprocess.run(["node", str(Path(__file__).with_name("standard_webhooks_check.cjs")), self.packages],
                              input=given, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def test_the_package_takes_what_the_daemon_signs_while_secrets_rotate(self):
        old, new, other = new_secret(24), new_secret(64), new_secret()
        self.start_sandbox("--accept-any")
        receiver = self.start_receiver([old])
        daemon = self.start_daemon([self.callback(receiver)])

        def told(identifier):
            self.sandbox.set(identifier, body=f'{{"merchant_transaction_id": "{identifier}", "status": "completed", '
                                              f'"note": "\\u00e9 \u20ac", "n": 1.10}}')
            daemon.track(identifier)
            return wait_until(lambda: receiver.of(identifier), 10, identifier)[0]

        first = told("before")
        self.assertEqual(self.check((old, first.headers, first.body)), [first.event_id])
        self.write_secret("receiver.secret", [new, old])
        receiver.secrets = [new, old]
        daemon.reload()
        daemon.wait_log("config.reloaded")
        both = told("during")
        self.assertEqual(len(both.headers["webhook-signature"].split(" ")), 2)
        self.assertEqual(self.check((old, both.headers, both.body), (new, both.headers, both.body)),
                         [both.event_id] * 2)
        self.write_secret("receiver.secret", [new])
        daemon.reload()
        daemon.wait_log("config.reloaded", 2)
        last = told("after")
        answers = self.check((new, last.headers, last.body), (old, last.headers, last.body),
                             (other, last.headers, last.body),
                             (new, last.headers, last.body + b" "),
                             (new, {**last.headers, "webhook-id": first.event_id}, last.body))
        self.assertEqual(answers[0], last.event_id)
        self.assertTrue(all(answer.startswith("refused: ") for answer in answers[1:]), answers)


if __name__ == "__main__":
    unittest.main()
