"""python3 -m unittest discover -s tests, with this package's folder in PYTHONPATH."""

import base64
import hashlib
import hmac
import io
import json
import logging
import sqlite3
import tempfile
import time
import unittest
from pathlib import Path

import prooftrackd_receiver
from prooftrackd_receiver import LARGEST_BODY, Event, Receiver, WebhookError, headers_of, read_keys, record, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(bytes(32)).decode()
KEYS = read_keys(SECRET)
AT, SEQUENCE = "2026-04-01T10:03:47.031Z", 1775037827031
NOW = SEQUENCE // 1000 + 60


def sign(secret, event_id, stamp, body):
    key = base64.b64decode(secret[len("whsec_"):])
    mac = hmac.new(key, f"{event_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


def make(stamp=NOW, by=(SECRET,), **members):
    event = {"id": "evt_1", "type": "transaction.completed", "timestamp": AT,
             "data": {"merchant_transaction_id": "order-1", "status": "completed", "proof": None}, **members}
    body = json.dumps(event).encode()
    return {"webhook-id": "evt_1", "webhook-timestamp": str(stamp), "webhook-sequence": str(SEQUENCE),
            "webhook-signature": " ".join(sign(one, "evt_1", stamp, body) for one in by)}, body


class Verifying(unittest.TestCase):
    def assert_refused(self, status, keys, headers, body, now=NOW):
        with self.assertRaises(WebhookError) as caught:
            verify(keys, headers, body, now)
        self.assertEqual(caught.exception.status, status)

    def test_the_vector_that_standard_webhooks_publishes_is_genuine_and_no_event(self):
        headers = {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
                   "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}
        body = b'{"test": 2432232314}'
        self.assert_refused(400, KEYS, headers, body, 1614265330)
        self.assert_refused(401, read_keys(OTHER), headers, body, 1614265330)

    def test_a_genuine_request_gives_its_event(self):
        event = verify(KEYS, *make(), NOW)
        self.assertEqual((event.id, event.sequence), ("evt_1", SEQUENCE))
        self.assertEqual(event.data["merchant_transaction_id"], "order-1")

    def test_what_was_altered_or_signed_by_another_is_refused(self):
        headers, body = make()
        self.assert_refused(401, KEYS, headers, body.replace(b"order-1", b"order-2"))
        self.assert_refused(401, KEYS, {**headers, "webhook-id": "evt_2"}, body)
        self.assert_refused(401, KEYS, {}, body)
        for name in set(headers) - {"webhook-sequence"}:
            self.assert_refused(401, KEYS, {**headers, name: ""}, body)
        self.assert_refused(401, KEYS, *make(by=[OTHER]))

    def test_the_window_is_300_seconds_on_either_side(self):
        headers, body = make()
        for seconds in (300, -300):
            verify(KEYS, headers, body, NOW + seconds)
        for seconds in (301, -301):
            self.assert_refused(401, KEYS, headers, body, NOW + seconds)

    def test_one_signature_of_several_and_one_key_of_several_is_enough(self):
        verify(KEYS, *make(by=[OTHER, SECRET]), NOW)
        verify(read_keys(f"{OTHER}\r\n{SECRET}\n"), *make(), NOW)

    def test_a_secret_file_holds_secrets_and_nothing_else(self):
        short = "whsec_" + base64.b64encode(bytes(23)).decode()
        for text in ("", "\n", f"{SECRET}\n\n{SECRET}", "whsec_", f"{SECRET}\nwhsec_!!", SECRET[6:], short):
            with self.subTest(text), self.assertRaisesRegex(ValueError, "secret file"):
                read_keys(text)

    def test_webhook_sequence_must_be_that_of_the_body(self):
        headers, body = make()
        for sequence in (None, "", str(SEQUENCE - 1), f"{SEQUENCE}.0", f" {SEQUENCE}"):
            self.assert_refused(400, KEYS, {**headers, "webhook-sequence": sequence}, body)

    def test_a_signed_body_that_is_no_event_is_refused(self):
        for members in ({"id": 7}, {"type": ""}, {"timestamp": "soon"}, {"timestamp": f"{AT} "}, {"data": None},
                        {"data": {"status": "completed"}}, {"data": {"merchant_transaction_id": "order-1"}}):
            with self.subTest(members):
                self.assert_refused(400, KEYS, *make(**members))
        self.assertEqual(verify(KEYS, *make(type="callback.test", data={}), NOW).type, "callback.test")

    def test_a_parsed_body_is_a_mistake_of_the_route_and_not_of_the_sender(self):
        headers, body = make()
        for parsed in (json.loads(body), body.decode()):
            with self.assertRaises(TypeError):
                verify(KEYS, headers, parsed, NOW)


class Receiving(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.secret_file = Path(folder.name, "secret")
        self.secret_file.write_text(SECRET + "\n")
        self.receiver = Receiver(self.secret_file)
        self.handled = []
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)

    def test_the_statuses(self):
        headers, body = make(int(time.time()))

        def fail(event):
            raise RuntimeError("no database")

        self.assertEqual(self.receiver.receive(headers, body, self.handled.append), 204)
        self.assertEqual([event.id for event in self.handled], ["evt_1"])
        self.assertEqual(self.receiver.receive(headers, body, fail), 500)
        self.assertEqual(self.receiver.receive({}, body, self.handled.append), 401)
        self.assertEqual(self.receiver.receive(headers, bytes(LARGEST_BODY), self.handled.append), 401)
        self.assertEqual(self.receiver.receive(headers, bytes(LARGEST_BODY + 1), self.handled.append), 413)
        self.secret_file.write_text("\n")
        self.assertEqual(self.receiver.receive(headers, body, self.handled.append), 500, "it lets nobody in")
        with self.assertRaisesRegex(ValueError, "secret file"):
            Receiver(self.secret_file)
        self.assertEqual(len(self.handled), 1)

    def ask(self, body, headers, method="POST", length=None):
        environ = {"REQUEST_METHOD": method, "wsgi.input": io.BytesIO(body),
                   "CONTENT_LENGTH": str(len(body)) if length is None else length,
                   **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}}
        self.assertEqual(headers_of(environ), headers)
        answers = []
        self.receiver.wsgi(self.handled.append)(environ, lambda status, _: answers.append(status))
        return answers

    def test_wsgi(self):
        headers, body = make(int(time.time()))
        self.assertEqual(self.ask(body, headers), ["204 No Content"])
        self.assertEqual(self.ask(body, headers, "GET"), ["405 Method Not Allowed"])
        self.assertEqual(self.ask(bytes(LARGEST_BODY), headers), ["401 Unauthorized"])
        for length in (str(LARGEST_BODY + 1), "-1", "many"):
            self.assertEqual(self.ask(body, headers, length=length)[0][:3], "413")
        self.assertEqual(self.ask(b"", headers, length="")[0][:3], "401")
        self.assertEqual(len(self.handled), 1)


class Recording(unittest.TestCase):
    def setUp(self):
        self.database = sqlite3.connect(":memory:")
        self.addCleanup(self.database.close)
        self.database.executescript(Path(prooftrackd_receiver.__file__).with_name("schema.sql").read_text())

    def record(self, event_id, status, sequence, kind=None, payment="order-1"):
        event = Event(event_id, kind or f"transaction.{status}", "", sequence,
                      {"merchant_transaction_id": payment, "status": status})
        with self.database:
            return record(self.database.cursor(), event)

    def test_a_payment_is_credited_once_and_clawed_back_once(self):
        self.assertEqual(self.record("evt_1", "completed", 10), "credit")
        self.assertIsNone(self.record("evt_1", "completed", 10), "a repeat")
        self.assertIsNone(self.record("evt_1b", "completed", 10), "not newer")
        self.assertIsNone(self.record("evt_2", "completed", 11), "the same outcome, from a restored backup")
        self.assertEqual(self.record("evt_3", "failed", 30, "transaction.reversed"), "claw_back")
        self.assertIsNone(self.record("evt_4", "completed", 29), "older")
        self.assertIsNone(self.record("evt_5", "cancelled", 31), "nothing to claw back")
        self.assertEqual(self.record("evt_6", "completed", 32, "transaction.reversed"), "credit")
        self.assertEqual(self.record("evt_7", "completed", 1, payment="order-2"), "credit")

    def test_a_failure_is_no_claw_back(self):
        self.assertIsNone(self.record("evt_1", "failed", 10))

    def test_what_moves_no_money_leaves_no_row(self):
        for kind in ("transaction.overdue", "transaction.updated", "transaction.shiny", "callback.test"):
            self.assertIsNone(self.record(kind, "completed", 10, kind))
        self.assertEqual(self.database.execute("SELECT count(*) FROM proof_events").fetchone(), (0,))

    def test_what_is_rolled_back_was_not_recorded(self):
        event = Event("evt_1", "transaction.completed", "", 10,
                      {"merchant_transaction_id": "order-1", "status": "completed"})
        self.assertEqual(record(self.database.cursor(), event), "credit")
        self.database.rollback()
        self.assertEqual(self.record("evt_1", "completed", 10), "credit")

    def test_other_placeholders(self):
        statements = []

        class Cursor:
            rowcount = 1

            def execute(self, sql, values):
                statements.append((sql, values))

        event = Event("evt_1", "transaction.completed", "", 10,
                      {"merchant_transaction_id": "order-1", "status": "completed"})
        record(Cursor(), event, "%s")
        self.assertEqual([sql.count("%s") for sql, _ in statements], [len(values) for _, values in statements])
        self.assertNotIn("?", "".join(sql for sql, _ in statements))


if __name__ == "__main__":
    unittest.main()
