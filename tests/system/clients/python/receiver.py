"""Takes prooftrackd's webhooks and credits each completed transaction exactly once.

Python 3.9 or newer, standard library alone.

    WEBHOOK_SECRET_FILE=webhook_secret SHOP_DATABASE=shop.db PORT=8080 python3 receiver.py
"""

import base64
import hashlib
import hmac
import json
import os
import re
import sqlite3
import sys
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECRET_FILE = os.environ["WEBHOOK_SECRET_FILE"]
DATABASE = os.environ["SHOP_DATABASE"]
LARGEST_BODY = 1024 * 1024


def read_keys(secret_file):
    """One whsec_... a line, the newest first. Anything else is an error: a blank line would be an empty key, with which
    anybody can sign."""
    keys = []
    for line in secret_file.strip().split("\n"):
        secret = line.strip()
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        if not secret.startswith("whsec_") or len(key) < 24:
            raise ValueError("the secret file holds a line that is no whsec_... of 24 bytes")
        keys.append(key)
    return keys


def is_genuine(headers, body, keys):
    """Standard Webhooks: any of our keys may have made any of the signatures, so secrets can be rotated."""
    event_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not re.fullmatch("[0-9]{1,12}", stamp) or abs(time.time() - int(stamp)) > 300:
        return False  # too old: somebody may have recorded the request and be sending it again
    given = headers.get("webhook-signature", "").split(" ")
    for key in keys:
        mac = hmac.new(key, f"{event_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
        wanted = b"v1," + base64.b64encode(mac)
        if any(hmac.compare_digest(one.encode(), wanted) for one in given):
            return True
    return False


def sequence_of(event):
    """The event's place among those of its transaction: milliseconds since 1970, from what is signed."""
    at = datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00"))
    return (at - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


FINAL_TYPES = {"transaction.completed", "transaction.failed", "transaction.cancelled", "transaction.reversed"}


def handle(event):
    """One database transaction: the event's id, and the one credit that a payment can have. What does not come after
    the last one, by its sequence, changes nothing."""
    if event["type"] not in FINAL_TYPES:
        return  # a type that we do not know, or that moves no money
    data, proof = event["data"], event["data"]["proof"] or {}
    with closing(open_database()) as database, database:  # commits at the end, rolls back on an exception
        seen = database.execute("INSERT OR IGNORE INTO handled_events (event_id) VALUES (?)", (event["id"],))
        if seen.rowcount == 0:
            return  # a repeat
        database.execute(
            """INSERT INTO credits (merchant_transaction_id, credited, amount, currency, sequence)
               VALUES (?, ?, ?, ?, ?)
               ON CONFLICT (merchant_transaction_id) DO UPDATE
               SET credited = excluded.credited, amount = excluded.amount, currency = excluded.currency,
                   sequence = excluded.sequence
               WHERE excluded.sequence > credits.sequence""",
            (data["merchant_transaction_id"], data["status"] == "completed", proof.get("fiat_amount"),
             proof.get("fiat_currency"), sequence_of(event)))


def open_database():
    database = sqlite3.connect(DATABASE, timeout=5)
    database.execute("CREATE TABLE IF NOT EXISTS handled_events (event_id TEXT PRIMARY KEY)")
    database.execute("""CREATE TABLE IF NOT EXISTS credits (merchant_transaction_id TEXT PRIMARY KEY,
                                                            credited INTEGER NOT NULL, amount TEXT, currency TEXT,
                                                            sequence INTEGER NOT NULL)""")
    return database


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self):
        try:
            status = self.receive()
        except Exception as error:  # prooftrackd comes again
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            status = 500
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def receive(self):
        size = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,12}", size) or int(size) > LARGEST_BODY:
            self.close_connection = True  # its body stays unread
            return 413
        body = self.rfile.read(int(size))
        keys = read_keys(Path(SECRET_FILE).read_text())  # each time: a rotated secret needs no restart
        if not is_genuine(self.headers, body, keys):
            return 401
        event = json.loads(body)
        if self.headers.get("webhook-sequence") != str(sequence_of(event)):
            return 400  # the header is not signed: somebody changed it on its way
        handle(event)
        return 200  # only now: the credit is committed

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    read_keys(Path(SECRET_FILE).read_text())  # a bad file is noticed now, not at the first event
    open_database().close()
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver).serve_forever()
