"""Takes prooftrackd's webhooks: verifies the signature, and says once for each payment when to credit it.

Python 3.9 or newer, standard library alone.
"""

import base64
import hashlib
import hmac
import json
import logging
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from pathlib import Path

__version__ = "0.1.0"

LARGEST_BODY = 1024 * 1024  # bytes; prooftrackd sends far less
WINDOW = 300  # seconds that a request may be old, or ahead of our clock
FINAL_TYPES = {"transaction.completed", "transaction.failed", "transaction.cancelled", "transaction.reversed"}
LOG = logging.getLogger(__name__)


class WebhookError(Exception):
    """A request that is refused: `status` is the answer, 400 or 401."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    timestamp: str
    sequence: int  # its place among those of its transaction: milliseconds since 1970, from what is signed
    data: dict


def read_keys(text):
    """The keys in a secret file: one whsec_... a line, the newest first. Anything else is an error: a blank line would
    be an empty key, with which anybody can sign."""
    keys = []
    for line in text.strip().split("\n"):
        secret = line.strip()
        try:
            key = base64.b64decode(secret[len("whsec_"):], validate=True)
        except ValueError:
            key = b""
        if not secret.startswith("whsec_") or len(key) < 24:
            raise ValueError("the secret file holds a line that is no whsec_... of 24 bytes")
        keys.append(key)
    return keys


def verify(keys, headers, body, now=None):
    """The event in a genuine request. `headers` has a get() that takes lower-case names (Flask's, Django's,
    http.server's, or headers_of(environ)), `body` is the bytes as they came, `now` in seconds since 1970. Raises
    WebhookError."""
    if not _is_genuine(keys, headers, body, time.time() if now is None else now):
        raise WebhookError(401, "the signature is not ours")
    event = _parse(body)
    if headers.get("webhook-sequence") != str(event.sequence):
        # The header is not signed: somebody may have changed it on its way.
        raise WebhookError(400, "webhook-sequence is not that of the body")
    return event


def _is_genuine(keys, headers, body, now):
    """Standard Webhooks: any of our keys may have made any of the signatures, so secrets can be rotated."""
    event_id, stamp = headers.get("webhook-id") or "", headers.get("webhook-timestamp") or ""
    if not re.fullmatch("[0-9]{1,12}", stamp) or abs(int(now) - int(stamp)) > WINDOW:
        return False  # too old: somebody may have recorded the request and be sending it again
    if not isinstance(body, (bytes, bytearray)):
        raise TypeError("the body must be the bytes as they came, before anything parses them")
    given = (headers.get("webhook-signature") or "").split(" ")
    for key in keys:
        mac = hmac.new(key, f"{event_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
        wanted = b"v1," + base64.b64encode(mac)
        if any(hmac.compare_digest(one.encode(), wanted) for one in given):
            return True
    return False


def _parse(body):
    try:
        event = json.loads(body)
        texts = [event["id"], event["type"]]
        if event["type"] in FINAL_TYPES:
            texts += [event["data"]["merchant_transaction_id"], event["data"]["status"]]
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"]):
            raise ValueError("a timestamp of another form")
        if not isinstance(event["data"], dict) or not all(isinstance(text, str) and text for text in texts):
            raise ValueError("a member of another kind")
        at = datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00"))
        sequence = (at - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
        return Event(event["id"], event["type"], event["timestamp"], sequence, event["data"])
    except (KeyError, TypeError, ValueError) as error:
        raise WebhookError(400, "the body is no event") from error


def record(cursor, event, placeholder="?"):
    """Notes the event in proof_events and proof_payments, and returns what to do with the payment, in the same database
    transaction: "credit" it, "claw_back" an earlier credit, or None: nothing (a repeat, an older event, no change).

    `cursor` is one of DB-API 2.0 in your open transaction, not in autocommit; `placeholder` is "%s" for the drivers of
    PostgreSQL and MySQL. The first statement writes, so a transaction of SQLite waits for the others instead of
    failing. When two repeats arrive at once, a unique key refuses one of them: the driver raises, you roll back and
    answer 500, and prooftrackd sends it again."""

    def change(sql, *values):
        cursor.execute(sql.replace("?", placeholder), values)
        return cursor.rowcount > 0

    if event.type not in FINAL_TYPES:
        return None  # a type that we do not know, or that moves no money
    payment = event.data["merchant_transaction_id"]
    credited = 1 if event.data["status"] == "completed" else 0
    if not change("INSERT INTO proof_events (event_id) "
                  "SELECT ? WHERE NOT EXISTS (SELECT 1 FROM proof_events WHERE event_id = ?)", event.id, event.id):
        return None  # a repeat
    change("INSERT INTO proof_payments (merchant_transaction_id, credited, sequence) SELECT ?, 0, -1 "
           "WHERE NOT EXISTS (SELECT 1 FROM proof_payments WHERE merchant_transaction_id = ?)", payment, payment)
    if not change("UPDATE proof_payments SET sequence = ? WHERE merchant_transaction_id = ? AND sequence < ?",
                  event.sequence, payment, event.sequence):
        return None  # a dead delivery that was sent again by hand
    if not change("UPDATE proof_payments SET credited = ? WHERE merchant_transaction_id = ? AND credited <> ?",
                  credited, payment, credited):
        return None
    return "credit" if credited else "claw_back"


def headers_of(environ):
    """The headers in WSGI's environ."""
    return {name[len("HTTP_"):].lower().replace("_", "-"): value for name, value in environ.items()
            if name.startswith("HTTP_")}


class Receiver:
    """What a route needs. The secret file is read at once, so that a bad one is noticed before the first event, and
    again for each request: a rotated secret needs no restart."""

    def __init__(self, secret_file):
        self._secret_file = Path(secret_file)
        self._keys()

    def _keys(self):
        return read_keys(self._secret_file.read_text())

    def receive(self, headers, body, handle):
        """The status to answer: 204 when handle(event) has returned, so after your commit; 400, 401 or 413 for what is
        refused; 500 for whatever goes wrong here or in `handle` (logged). prooftrackd repeats all but 204."""
        try:
            if len(body) > LARGEST_BODY:
                return 413
            handle(verify(self._keys(), headers, body))
            return 204
        except WebhookError as error:
            LOG.warning("prooftrackd's webhook: %s", error)
            return error.status
        except Exception:
            LOG.exception("prooftrackd's webhook")
            return 500

    def wsgi(self, handle):
        """A WSGI application that answers POST alone."""
        def application(environ, start_response):
            if environ["REQUEST_METHOD"] != "POST":
                status = 405
            else:
                body = _body_of(environ)
                status = 413 if body is None else self.receive(headers_of(environ), body, handle)
            start_response(f"{status} {HTTPStatus(status).phrase}", [] if status == 204 else [("Content-Length", "0")])
            return []
        return application


def _body_of(environ):
    """The bytes, None when there are too many. A little of what is too much is read all the same: a sender that is
    still sending would miss the answer."""
    size = environ.get("CONTENT_LENGTH") or "0"
    length = int(size) if re.fullmatch("[0-9]{1,12}", size) else LARGEST_BODY + 1
    body = environ["wsgi.input"].read(min(length, 2 * LARGEST_BODY))
    return body if length <= LARGEST_BODY else None
