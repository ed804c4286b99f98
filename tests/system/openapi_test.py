#!/usr/bin/env python3
"""What clients are generated from: the OpenAPI document, linted, and a TypeScript client made of it that calls every
operation.

openapi-typescript makes the types, tsc checks a program against them (tests/system/openapi), the program talks to a
real daemon, and ajv holds every request, reply and webhook against the document. Needs npm's packages, installed into
.build/npm as the lock file has them. """

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import ROOT, SystemCase, wait_until
from store_switch import ON_POSTGRES, about_sqlite

SOURCES = Path(__file__).parent / "openapi"
DOCUMENT = ROOT / "lib" / "api" / "openapi.json"
LOCK = SOURCES / "package-lock.json"
PACKAGES = ROOT / ".build" / "npm" / ("openapi-" + hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12])
BIN = PACKAGES / "node_modules" / ".bin"
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
STRANGER = 54321


def install_packages():
    if (PACKAGES / "node_modules" / ".package-lock.json").exists():  # npm writes it last
        return
    PACKAGES.mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCES / "package.json", PACKAGES)
    shutil.copy(LOCK, PACKAGES)
    try:
        done = subprocess.run(["npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--no-update-notifier",
                               "--ignore-scripts", "--fetch-retries=1",
                               "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000"], cwd=PACKAGES,
                              capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        raise unittest.SkipTest(f"npm ci in {PACKAGES} took over 300 s")
    if done.returncode != 0:
        raise unittest.SkipTest(f"npm ci in {PACKAGES}: {done.stderr.strip()[-300:]}")


def run(*command, timeout=120, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **QUIET}, **options)


def setUpModule():
    if not (shutil.which("node") and shutil.which("npm")):
        raise unittest.SkipTest("node and npm are needed (Debian: nodejs npm)")
    install_packages()


class Lint(unittest.TestCase):
    def test_redocly(self):
        done = run(BIN / "redocly", "lint", "--config", SOURCES / "redocly.yaml", "--format", "json", DOCUMENT)
        found = json.loads(done.stdout)
        self.assertEqual(found["totals"], {"errors": 0, "warnings": 0, "ignored": 0}, done.stdout[:4000])

    def test_spectral(self):
        done = run(BIN / "spectral", "lint", "--ruleset", SOURCES / "spectral.yaml", "--fail-severity", "hint",
                   DOCUMENT)
        self.assertEqual(done.returncode, 0, done.stdout[:4000] + done.stderr[:1000])


class GeneratedClient(SystemCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Beside node_modules, where node and tsc look for packages.
        cls.build = Path(tempfile.mkdtemp(prefix="client-", dir=PACKAGES))
        cls.addClassCleanup(shutil.rmtree, cls.build, True)
        for source in (*SOURCES.glob("*.ts"), SOURCES / "tsconfig.json"):
            shutil.copy(source, cls.build)
        for command in ((BIN / "openapi-typescript", DOCUMENT, "-o", cls.build / "api.ts"),
                        (BIN / "tsc", "-p", cls.build)):
            done = run(*command)
            assert done.returncode == 0, done.stdout[:4000] + done.stderr[:4000]

    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        self.start_sandbox()
        self.receiver = self.start_receiver()
        gone = self.start_receiver(name="gone")
        gone.answer = lambda delivery: 410
        nobody = self.start_receiver(name="nobody")
        nobody.url = "http://127.0.0.1:1/"
        admins = {"mode": "0666", "admin_group": "daemon"} if os.geteuid() == 0 else {}
        self.make_daemon(
            [self.callback(self.receiver, events=["transaction.*", "transaction.updated"]),
             self.callback(gone, "gone", events=["transaction.completed"]),
             self.callback(nobody, "nobody", events=["transaction.completed", "transaction.reversed"])],
            proof={"request_timeout": "1500ms"}, api=admins,
            poll={"not_found_grace": "1s", "tail_interval": "500ms", "give_up_after": "8s", "verify_after": ["1500ms"]})

    def check(self, recorded):
        """The lines of check.ts: what is not as described."""
        path = self.folder / "recorded.json"
        path.write_text(json.dumps(recorded))
        done = run("node", self.build / "out" / "check.js", DOCUMENT, path)
        self.assertIn(done.returncode, (0, 1), done.stderr[-4000:])
        self.assertEqual(done.stderr, "")
        return done.stdout.splitlines()

    def exchange(self, method, path, reply):
        return {"method": method.lower(), "path": path, "status": reply.status, "headers": dict(reply.headers),
                "sent": {"type": "", "body": ""},
                "got": {"type": reply.headers["content-type"], "body": reply.body.decode()}}

    def refusals_of_a_stranger(self):
        """Each call of admins, made by somebody else."""
        paths = json.loads(DOCUMENT.read_text())["paths"]
        calls = [(method.upper(), path) for path, methods in paths.items()
                 for method, operation in methods.items() if operation.get("x-admin")]
        self.assertGreater(len(calls), 10)
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                os.setgroups([])
                os.setgid(STRANGER)
                os.setuid(STRANGER)
                found = []
                for method, path in calls:
                    reply = self.daemon.api(method, path.replace("{id}", "1").replace("{name}", "x"))
                    assert reply.status == 403, (method, path, reply)
                    found.append(self.exchange(method, path, reply))
                os.write(writer, json.dumps(found).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            text = pipe.read()
        os.wait()
        self.assertTrue(text, "a stranger was not refused, or had no answer")
        return json.loads(text)

    def test_every_operation_and_reply_is_as_described(self):
        self.daemon.start()
        stalled = self.daemon.connection()
        stalled.connect()
        self.addCleanup(stalled.close)
        stalled.sock.sendall(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n")
        record = self.folder / "calls.json"
        self.assertEqual(self.daemon.api("GET", "/v1/openapi.json").body, DOCUMENT.read_bytes(),
                         "the daemon is built from another document")
        done = run("node", self.build / "out" / "calls.js", self.daemon.socket, self.sandbox.folder, record)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        recorded = json.loads(record.read_text())
        types = lambda: {d.event["type"] for d in self.receiver.events()}
        wait_until(lambda: len(types()) == 10, 10, "a webhook of each type")
        recorded["webhooks"] = [{"headers": d.headers, "body": d.body.decode()} for d in self.receiver.events()]
        self.assertGreater(len(recorded["exchanges"]), 120)
        if os.geteuid() == 0:
            recorded["exchanges"] += self.refusals_of_a_stranger()
        stalled.sock.settimeout(20)
        head, body = stalled.sock.makefile("rb").read().split(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 408 "), head)
        recorded["exchanges"].append({"method": "get", "path": "/v1/status", "status": 408, "headers": {},
                                      "sent": {"type": "", "body": ""},
                                      "got": {"type": "application/problem+json", "body": body.decode()}})
        refused = ["get /v1/backup: never called with success"] if ON_POSTGRES else []
        self.assertEqual(self.check(recorded), refused)

    @about_sqlite("the disk is the server's, which a daemon does not see")
    @unittest.skipUnless(os.geteuid() == 0, "mounting needs root")
    def test_a_full_disk_is_as_described(self):
        state = self.folder / "state"
        mounted = run("mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", state)
        if mounted.returncode:
            self.skipTest(f"no tmpfs here: {mounted.stderr}")
        self.addCleanup(run, "umount", "-l", state)
        self.daemon.start()
        lines = "".join(json.dumps({"merchant_transaction_id": f"full-{number}", "metadata": {"x": "y" * 3000}}) + "\n"
                        for number in range(8000))
        failed = self.daemon.api("POST", "/v1/transactions", lines, {"Content-Type": "application/x-ndjson"},
                                 timeout=60)
        self.assert_problem(failed, 503, "store_unavailable")
        self.assertGreater(failed.json["taken"], 0)
        ready = wait_until(lambda: (lambda reply: reply if reply.status == 503
                                    else None)(self.daemon.api("GET", "/readyz")), 10, "not ready")
        self.assertIn("disk is full", " ".join(ready.json["reasons"]))
        status = self.daemon.api("GET", "/v1/status")
        self.assertEqual(status.json["store"]["state"], "full")
        replies = [("POST", "/v1/transactions", failed), ("GET", "/readyz", ready), ("GET", "/v1/status", status)]
        found = self.check({"exchanges": [self.exchange(*reply) for reply in replies], "events": [], "webhooks": []})
        self.assertEqual([line for line in found if ": never " not in line], [])

    def test_what_is_not_described_is_found(self):
        self.daemon.start()
        health = self.exchange("GET", "/healthz", self.daemon.api("GET", "/healthz"))
        wrong = [{**health, "status": 207}, {**health,
                                             "got": {**health["got"],
                                                     "body": '{"ok": true, "reasons": [], "mood": "good"}'}},
                 {**health, "got": {**health["got"], "type": "text/html"}},
                 {**health, "got": {**health["got"], "body": '{"ok": false, "reasons": []}'}}]
        webhook = {"headers": {}, "body": '{"type": "transaction.lost"}'}
        found = "\n".join(self.check({"exchanges": [health, *wrong], "events": [{}], "webhooks": [webhook]}))
        for line in ("get /healthz 207: this status is not described",
                     "must NOT have additional properties {\"additionalProperty\":\"mood\"}",
                     "text/html is not described", "/ok must be equal to constant", "event: ",
                     "webhook transaction.lost is not described",
                     "get /healthz: never refused", "post /v1/transactions: never called with success",
                     "webhook transaction.completed: never came"):
            self.assertIn(line, found)


if __name__ == "__main__":
    unittest.main()
