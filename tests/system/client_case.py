"""What each receiver of daemon/receivers has to stand with the real daemon: whatever arrives, and however often, a
completed transaction is credited once. Tests derive a class for each language and framework from it."""

import base64
import contextlib
import functools
import http.client
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
import unittest
from datetime import datetime, timedelta
from pathlib import Path

from harness import ROOT, Process, SystemCase, exchange, new_secret, parse_time, sign, wait_until

RECEIVERS = ROOT / "daemon" / "receivers"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def format_time(milliseconds):
    at = datetime(1970, 1, 1) + timedelta(milliseconds=milliseconds)
    return at.isoformat(timespec="milliseconds") + "Z"


class Ledger:
    """The client's own database, looked at from outside."""

    def __init__(self, path):
        self.path = path

    def ask(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.path, timeout=10)) as database, database:
            return database.execute(sql, values).fetchall()

    def credited(self):
        return {row[0] for row in self.ask("SELECT merchant_transaction_id FROM credits WHERE credited = 1")}

    def rows(self):
        return self.ask("SELECT merchant_transaction_id, credited, amount, currency FROM credits ORDER BY 1")


class FrameworkCase(SystemCase):
    """What a receiver in a framework has to stand."""

    has_no_start = False  # of its own: each request is one
    environment = {}  # beside what each client gets

    def command(self, port):
        raise NotImplementedError

    def setUp(self):
        super().setUp()
        self.secret = new_secret()
        self.secret_file = self.write_secret("shop.secret", [self.secret])
        self.ledger = Ledger(self.folder / "shop.db")
        self.start_client()

    def start_client(self, port=None):
        self.launch_client(port)
        self.assertIn(self.send("none", kind="transaction.of_tomorrow"), (200, 204))

    def launch_client(self, port=None):
        self.port = port or free_port()
        env = {**os.environ, "WEBHOOK_SECRET_FILE": self.secret_file, "SHOP_DATABASE": str(self.ledger.path),
               "PORT": str(self.port), **self.environment}
        self.client = Process(self.command(self.port), self.folder / "client.log", env)
        self.addCleanup(self.end, self.client)
        wait_until(lambda: self.listens() or not self.client.alive(), 20, "the client's port")
        self.assertTrue(self.client.alive(), self.client.output())

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def start_whole(self, **sections):
        self.start_sandbox("--accept-any")
        callback = {"name": "shop", "url": f"http://127.0.0.1:{self.port}/hooks/proof", "secret_file": self.secret_file,
                    "retry_schedule": ["300ms"] * 20}
        return self.start_daemon([callback], **sections)

    def post(self, body, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            return exchange(connection, "POST", "/hooks/proof", body, headers).status
        finally:
            connection.close()

    def headers(self, event_id, body, secret=None, stamp=None):
        stamp = str(int(time.time()) if stamp is None else stamp)
        sequence = round(parse_time(json.loads(body)["timestamp"]) * 1000)
        return {"webhook-id": event_id, "webhook-timestamp": stamp, "webhook-sequence": str(sequence),
                "webhook-signature": sign(secret or self.secret, event_id, stamp, body)}

    def make_event(self, identifier, status="completed", kind=None, at="2026-04-01T10:03:47.031Z", event_id=None):
        event = {"id": event_id or f"evt_{identifier}_{at}", "type": kind or f"transaction.{status}", "timestamp": at,
                 "data": {"merchant_transaction_id": identifier, "state": "settled", "status": status,
                          "previous_status": "processing",
                          "final": True, "metadata": {}, "proof": {"fiat_amount": "49.90", "fiat_currency": "EUR"}}}
        return event, json.dumps(event).encode()

    def send(self, identifier, *args, **kwargs):
        event, body = self.make_event(identifier, *args, **kwargs)
        return self.post(body, self.headers(event["id"], body))

    def deliveries(self, **query):
        text = "&".join(f"{key}={value}" for key, value in query.items())
        return self.daemon.api("GET", f"/v1/deliveries?limit=1000&{text}").json["deliveries"]

    def all_delivered(self, count, attempts=1):
        def look():
            found = self.deliveries(state="delivered")
            return found if len(found) == count and all(one["attempts"] >= attempts for one in found) else None
        return wait_until(look, 20, f"{count} deliveries")

    def test_every_completed_transaction_is_credited_once_also_when_delivered_again(self):
        daemon = self.start_whole()
        for n in range(6):
            self.sandbox.set(f"good-{n}", script=[{"after": "100ms", "status": "processing"},
                                                  {"after": "500ms", "status": "completed"}])
            daemon.track(f"good-{n}", metadata={"order": f"A-{n}"})
        for status in ("failed", "cancelled"):
            self.sandbox.set(f"bad-{status}", status=status)
            daemon.track(f"bad-{status}")
        told = self.all_delivered(8)
        wanted = {f"good-{n}" for n in range(6)}
        self.assertEqual(self.ledger.credited(), wanted)
        before = self.ledger.rows()
        for delivery in told:
            self.assertEqual(daemon.api("POST", f"/v1/deliveries/{delivery['id']}/retry").status, 202)
        wait_until(lambda: len(daemon.logged("callback.delivered")) == 16, 20, "each a second time")
        self.assertEqual(self.ledger.rows(), before)
        self.assertEqual(self.ledger.ask("SELECT count(*) FROM proof_events"), [(8,)])

    def test_proofs_change_of_mind_moves_the_credit(self):
        daemon = self.start_whole(poll={"verify_after": ["1s", "2s"]})
        self.sandbox.set("retried", status="failed")
        self.sandbox.set("taken-back", status="completed")
        daemon.track("retried")
        daemon.track("taken-back")
        self.all_delivered(2)
        self.assertEqual(self.ledger.credited(), {"taken-back"})
        self.sandbox.set("retried", status="completed")
        self.sandbox.set("taken-back", status="failed")
        self.all_delivered(4)
        self.assertEqual(self.ledger.credited(), {"retried"})

    def test_after_a_commit_that_failed_the_event_is_delivered_again_and_credited(self):
        daemon = self.start_whole()
        self.ledger.ask("CREATE TRIGGER broken BEFORE INSERT ON credits BEGIN SELECT RAISE(ABORT, 'the shop is "
                        "broken'); END")
        self.sandbox.set("late", status="completed")
        daemon.track("late")
        failed = wait_until(lambda: [one for one in self.deliveries(state="pending") if one["attempts"]], 10,
                            "a failed attempt")
        self.assertEqual(failed[0]["last_status"], 500)
        self.assertEqual(self.ledger.ask("SELECT count(*) FROM proof_events"), [(0,)],
                         "the event's id went back with the credit")
        self.ledger.ask("DROP TRIGGER broken")
        self.all_delivered(1, attempts=2)
        self.assertEqual(self.ledger.credited(), {"late"})

    def test_a_forged_altered_or_old_request_is_refused(self):
        event, body = self.make_event("forged")
        good = self.headers(event["id"], body)
        forgeries = {
            "another secret": (body, self.headers(event["id"], body, new_secret())),
            "no signature": (body, {key: value for key, value in good.items() if key != "webhook-signature"}),
            "an empty signature": (body, {**good, "webhook-signature": ""}),
            "no headers": (body, {}),
            "altered body": (body.replace(b"49.90", b"99.90"), good),
            "altered id": (body, {**good, "webhook-id": "evt_other"}),
            "another version": (body, {**good, "webhook-signature": good["webhook-signature"].replace("v1,", "v2,")}),
            "ten minutes old": (body, self.headers(event["id"], body, stamp=int(time.time()) - 600)),
            "from the future": (body, self.headers(event["id"], body, stamp=int(time.time()) + 600)),
            "no number": (body, self.headers(event["id"], body, stamp="soon")),
        }
        for name, (sent, headers) in forgeries.items():
            with self.subTest(name):
                self.assertEqual(self.post(sent, headers), 401)
        self.assertEqual(self.ledger.credited(), set())
        self.assertEqual(self.post(b"x" * (1024 * 1024 + 1), good), 413)
        self.assertIn(self.post(body, good), (200, 204), "and the true one is taken")
        self.assertEqual(self.ledger.credited(), {"forged"})

    def test_unknown_types_and_those_without_money_are_answered_2xx(self):
        for kind in ("transaction.shiny", "transaction.overdue", "transaction.updated", "callback.test"):
            with self.subTest(kind):
                self.assertIn(self.send("whatever", kind=kind, event_id=f"evt_{kind}"), (200, 204))
        self.assertEqual(self.ledger.rows(), [])
        daemon = self.start_whole()
        reply = daemon.api("POST", "/v1/callbacks/shop/test")
        self.assertEqual(reply.status, 200, reply)
        self.assertIn(reply.json["status"], (200, 204))

    def test_an_event_without_a_usable_sequence_is_refused(self):
        event, body = self.make_event("bare")
        good = self.headers(event["id"], body)
        number = int(good["webhook-sequence"])
        bare = {key: value for key, value in good.items() if key != "webhook-sequence"}
        for name, headers in {"none": bare, "empty": {**bare, "webhook-sequence": ""},
                              "a word": {**bare, "webhook-sequence": "1 OR 1"},
                              "negative": {**bare, "webhook-sequence": f"-{number}"},
                              "a fraction": {**bare, "webhook-sequence": f"{number}.0"},
                              "with a word": {**bare, "webhook-sequence": f"{number}x"},
                              "too long": {**bare, "webhook-sequence": "9" * 400}}.items():
            with self.subTest(name):
                self.assertEqual(self.post(body, headers), 400)
        self.assertEqual(self.ledger.rows(), [])
        self.assertIn(self.post(body, good), (200, 204))
        self.assertEqual(self.ledger.credited(), {"bare"})

    def test_values_stay_values(self):
        nasty = "x'); DROP TABLE credits; --\u00e9\u2028\"\\"
        self.assertIn(self.send(nasty, event_id="evt_nasty"), (200, 204))
        self.assertEqual(self.ledger.credited(), {nasty})

    def test_the_same_event_many_times_at_once_is_credited_once(self):
        event, body = self.make_event("herd")
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.post(body, self.headers(event["id"], body))))
                   for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(len(answers), 16)
        self.assertTrue(all(answer in (200, 204) for answer in answers), answers)
        self.assertEqual(self.ledger.rows(), [("herd", 1, "49.90", "EUR")])

    def test_a_rotated_secret_is_taken_without_a_restart(self):
        old, new = self.secret, new_secret()
        event, body = self.make_event("rotated")
        headers = self.headers(event["id"], body, old)
        stamp = headers["webhook-timestamp"]
        # The sender signs with both; a receiver that knows either is content.
        headers["webhook-signature"] = f"{sign(new, event['id'], stamp, body)} {sign(old, event['id'], stamp, body)}"
        self.assertIn(self.post(body, headers), (200, 204))
        self.write_secret("shop.secret", [new, old])
        self.assertIn(self.post(body, self.headers(event["id"], body, new)), (200, 204))
        self.write_secret("shop.secret", [new])
        self.assertEqual(self.post(body, self.headers(event["id"], body, old)), 401)
        self.assertIn(self.post(body, headers), (200, 204))


class ClientCase(FrameworkCase):
    """And what is the package's, whatever the framework."""

    def test_a_killed_client_loses_and_doubles_nothing(self):
        daemon = self.start_whole()
        wanted = set()
        # Two at a time: with three the callback would turn failing, which is a test of its own elsewhere and takes 30
        # s.
        for round_number in range(3):
            identifiers = [f"k-{round_number}-{n}" for n in range(2)]
            for identifier in identifiers:
                self.sandbox.set(identifier, status="completed")
            daemon.import_ids([{"merchant_transaction_id": identifier} for identifier in identifiers])
            wait_until(lambda: self.ledger.credited() - wanted, 10, "a credit")
            self.client.kill()
            self.start_client(self.port)
            wanted |= set(identifiers)
            wait_until(lambda: len(self.deliveries(state="delivered")) == len(wanted), 20, "all delivered")
            self.assertEqual(self.ledger.credited(), wanted)
        self.assertEqual(self.ledger.ask("SELECT count(*) FROM proof_events"), [(len(wanted),)])

    def test_a_secret_file_with_anything_but_secrets_lets_nobody_sign(self):
        event, body = self.make_event("forged")
        empty_key = self.headers(event["id"], body, "whsec_")
        short = "whsec_" + base64.b64encode(b"x" * 23).decode()
        for name, text in {"an empty file": "", "a blank file": "\r\n \n",
                           "a blank line": f"{self.secret}\n\n{self.secret}\n",
                           "a CR alone": f"{self.secret}\r\n\r\n{self.secret}\r\n", "no key": "whsec_\n",
                           "no base64": f"{self.secret}\nwhsec_!!!!\n",
                           "no prefix": f"{self.secret}\n{self.secret[6:]}\n", "short": f"{short}\n"}.items():
            with self.subTest(name):
                Path(self.secret_file).write_text(text, newline="")
                self.assertEqual(self.post(body, empty_key), 500, "while it runs")
                self.assertEqual(self.post(body, self.headers(event["id"], body, short)), 500)
                self.client.kill()
                try:
                    self.launch_client()
                except AssertionError:
                    self.assertIn("secret file", self.client.output())
                    self.assertFalse(self.has_no_start)
                else:
                    self.assertTrue(self.has_no_start, "it starts with such a file")
                    self.assertEqual(self.post(body, empty_key), 500, "after a start")
                    self.client.kill()
                self.assertEqual(self.ledger.credited(), set())
                Path(self.secret_file).write_text(f" {self.secret} \r\n", newline="")
                self.start_client()
        self.assertIn(self.post(body, self.headers(event["id"], body)), (200, 204),
                      "blanks and a CR around a secret are cut off")

    def test_the_newest_status_wins_in_any_order_and_under_any_id(self):
        # Numbers that are not in the order of their digits, and larger than 32 bits.
        at = [format_time(ms) for ms in (900, 1_000, 20_000, 1_790_000_000_000, 1_790_000_000_001)]
        self.assertIn(self.send("t", "completed", at=at[1], event_id="evt_2"), (200, 204))
        # An older one that was dead and is sent by hand; then the same end under a new id, as after a restored backup.
        self.assertIn(self.send("t", "failed", at=at[0], event_id="evt_1"), (200, 204))
        self.assertEqual(self.ledger.rows(), [("t", 1, "49.90", "EUR")])
        self.assertIn(self.send("t", "failed", at=at[1], event_id="evt_2b"), (200, 204), "the same is not newer")
        self.assertEqual(self.ledger.rows(), [("t", 1, "49.90", "EUR")])
        self.assertIn(self.send("t", "completed", at=at[3], event_id="evt_4"), (200, 204))
        self.assertIn(self.send("t", "failed", at=at[2], event_id="evt_3"), (200, 204))
        self.assertEqual(self.ledger.rows(), [("t", 1, "49.90", "EUR")])
        self.assertIn(self.send("t", "failed", kind="transaction.reversed", at=at[4], event_id="evt_5"),
                      (200, 204))
        self.assertIn(self.send("t", "completed", at=at[3], event_id="evt_4"), (200, 204))
        self.assertEqual(self.ledger.credited(), set())

    def test_a_forged_sequence_cannot_hold_back_what_comes_later(self):
        event, body = self.make_event("forged", at=format_time(1_790_000_000_000))
        good = self.headers(event["id"], body)
        for number in (9 * 10 ** 14, 1_790_000_000_001, 1_789_999_999_999):
            self.assertEqual(self.post(body, {**good, "webhook-sequence": str(number)}), 400, number)
        self.assertEqual(self.ledger.rows(), [])
        self.assertIn(self.post(body, good), (200, 204), "the same event as it was sent")
        self.assertEqual(self.ledger.credited(), {"forged"})
        self.assertIn(self.send("forged", "failed", kind="transaction.reversed", at=format_time(1_790_000_000_001),
                                event_id="evt_back"), (200, 204))
        self.assertEqual(self.ledger.credited(), set())


NODE = unittest.skipUnless(shutil.which("node") and shutil.which("sqlite3"),
                           "node and sqlite3 are needed (Debian: nodejs sqlite3)")


@functools.cache
def php_has_sqlite():
    return bool(shutil.which("php")) and "pdo_sqlite" in subprocess.run(["php", "-m"], capture_output=True,
                                                                        text=True).stdout.lower()


PHP = unittest.skipUnless(php_has_sqlite(), "PHP with PDO's SQLite is needed (Debian: php-cli php-sqlite3)")


def npm_install(folder, *packages):
    """Into a throw-away folder, which becomes a project of npm. Skips the tests when the registry is out of reach."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise unittest.SkipTest("node and npm are needed (Debian: nodejs npm)")
    Path(folder, "package.json").write_text('{"private": true, "type": "module"}')
    try:
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts",
                               "--fetch-retries=1", "--fetch-timeout=20000", *packages], cwd=folder,
                              capture_output=True, text=True, timeout=90)
    except subprocess.TimeoutExpired:
        raise unittest.SkipTest(f"npm install {packages} took over 90 s")
    if done.returncode != 0:
        raise unittest.SkipTest(f"npm install {packages}: {done.stderr.strip()[-300:]}")
