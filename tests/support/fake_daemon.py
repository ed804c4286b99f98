#!/usr/bin/env python3
"""A small stand-in for prooftrackd on a Unix socket, to test prooftrackctl against: the routes of
`lib/api/openapi.json` over made-up state.

Tests drive it in-process: fake_daemon(path) is a context manager; its attributes are the state. `fail_next` answers
the next requests with a given (status, code); `stop()` and `start()` restart it on the same path. Also runs alone:
fake_daemon.py SOCKET. """

import json
import os
import re
import socketserver
import sys
import threading
import time
import urllib.parse
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler

ID_RULE = re.compile(r"^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}$")


def stamp(offset=0.0):
    when = datetime.now(timezone.utc) + timedelta(seconds=offset)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


class Problem(Exception):
    def __init__(self, status, code, detail, **members):
        super().__init__(detail)
        self.status, self.code, self.detail, self.members = status, code, detail, members


class Raw(str):
    """JSON text that is embedded as it is."""


def dump(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(k) + ":" + dump(v) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(dump(v) for v in value) + "]"
    return json.dumps(value)


class fake_daemon:
    def __init__(self, path):
        self.path = str(path)
        self.lock = threading.Condition()
        self.transactions = {}   # id -> dict, newest last
        self.deliveries = []
        self.history = {}        # id -> list of changes
        self.events = []         # JSON texts; seq = index + 1
        self.first_seq = 1       # events before it are pruned
        self.log_id = "log-1"
        self.consumers = {}
        self.requests = []       # (method, target, headers, body)
        self.fail_next = []      # (status, code) in order
        self.proof_reply = '{"merchant_transaction_id":"s-1", "amount" : 1.10,\n "init_token":"tok"}'
        self.backup_bytes = b"SQLite format 3\0" + bytes(range(256)) * 2000
        self.backup_cut = False  # end the stream without the last chunk
        self.session_status = 201
        self.maintenance = None
        self.cluster = None      # of the status; left out without one
        self.health = "ok"
        self.level = "info"
        self.server = None
        self.thread = None
        self.open_sockets = set()
        self.stopping = False

    # life
    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        daemon = self
        self.stopping = False

        class server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 128

            def process_request(self, request, client_address):
                daemon.open_sockets.add(request)
                super().process_request(request, client_address)

        class handler(Handler):
            fake = daemon

        self.server = server(self.path, handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def stop(self):
        """As a killed daemon: every connection breaks, the socket file stays."""
        if self.server is None:
            return
        with self.lock:
            self.stopping = True
            self.lock.notify_all()
        self.server.shutdown()
        for sock in list(self.open_sockets):
            try:
                sock.shutdown(2)
            except OSError:
                pass
        self.open_sockets.clear()
        self.server.server_close()
        self.thread.join()
        self.server = None

    # state
    def track(self, ident, **members):
        transaction = {"merchant_transaction_id": ident, "state": "tracking", "status": None, "metadata": Raw("{}"),
                       "callback_url": None, "tracked_at": stamp(), "settled_at": None, "overdue_at": stamp(86400),
                       "last_polled_at": None, "next_poll_at": stamp(4), "polls": 0, "consecutive_errors": 0,
                       "last_error": None, "proof": None}
        transaction.update(members)
        with self.lock:
            self.transactions[ident] = transaction
            self.lock.notify_all()
        return transaction

    def settle(self, ident, status="completed", state="settled"):
        with self.lock:
            transaction = self.transactions[ident]
            transaction.update(state=state, status=status, settled_at=stamp(), next_poll_at=None)
            self.lock.notify_all()

    def emit(self, ident="t-1", kind="transaction.completed", status="completed", extra="1.10"):
        with self.lock:
            seq = len(self.events) + 1
            self.events.append('{"id": "evt_%032x", "seq": %d, "type": "%s", "timestamp": "%s", "data": '
                               '{"merchant_transaction_id": "%s", '
                               '"state": "settled", "status": "%s", "previous_status": "processing", "final": true, '
                               '"metadata": {}, '
                               '"proof": {"amount":%s}}}' % (seq, seq, kind, stamp(), ident, status, extra))
            self.lock.notify_all()
            return seq

    def add_delivery(self, ident, state="pending", callback="backend", kind="transaction.completed", **members):
        delivery = {"id": len(self.deliveries) + 1, "event_id": "evt_1", "event_type": kind,
                    "merchant_transaction_id": ident,
                    "callback": callback, "state": state, "attempts": 0, "last_attempt_at": None, "last_error": None,
                    "last_status": None, "next_attempt_at": stamp(5) if state == "pending" else None}
        delivery.update(members)
        self.deliveries.append(delivery)
        return delivery

    def status(self):
        by_state, by_status = {}, {}
        for one in self.transactions.values():
            by_state[one["state"]] = by_state.get(one["state"], 0) + 1
            by_status[one["status"] or ""] = by_status.get(one["status"] or "", 0) + 1
        return {"version": "0.1.0", "uptime_seconds": 3720.5,
                "transactions": {"by_state": by_state, "by_status": by_status},
                "polls": {"per_second": 61.25, "in_flight": 3, "lag_p99_seconds": 0.012, "oldest_due_seconds": 0},
                "proof": {"health": self.health, "since": stamp(-3600),
                          "detail": "" if self.health == "ok" else "401 invalid_token"},
                "callbacks": [{"name": "backend", "state": "ok", "backlog": 0, "oldest_undelivered_seconds": 0,
                               "dead": 0},
                              {"name": "ledger", "state": "failing", "backlog": 12, "oldest_undelivered_seconds": 95.2,
                               "dead": 1}],
                "maintenance": self.maintenance, **({"cluster": self.cluster} if self.cluster else {}),
                "store": {"state": "ok", "bytes": 44040192, "wal_bytes": 1048576, "free_bytes": 5 * 2**30},
                "events": {"first_seq": self.first_seq, "last_seq": len(self.events), "log_id": self.log_id}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake = None

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError, OSError):
            self.close_connection = True

    def answer(self, status, body, content_type="application/json"):
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def serve(self):
        fake = self.fake
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        fake.requests.append((self.command, self.path, dict(self.headers), body))
        if fake.stopping:
            raise ConnectionResetError
        try:
            if fake.fail_next:
                status, code = fake.fail_next.pop(0)
                raise Problem(status, code, f"made to fail: {code}")
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query))
            parts = [urllib.parse.unquote(p) for p in url.path.split("/") if p]
            self.route(parts, query, body)
        except Problem as problem:
            members = {"type": "about:blank", "title": problem.code.replace("_", " "), "status": problem.status,
                       "detail": problem.detail, "code": problem.code, **problem.members}
            self.answer(problem.status, json.dumps(members), "application/problem+json")

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = serve

    def route(self, parts, query, body):
        fake, method = self.fake, self.command
        if parts == ["v1", "transactions"] and method == "POST":
            return self.import_lines(body) if "ndjson" in self.headers.get("Content-Type", "") else self.track(body)
        if parts == ["v1", "transactions"]:
            return self.list(query)
        if parts == ["v1", "transactions", "untrack"] and method == "POST":
            return self.untrack_matching(json.loads(body))
        if parts[:2] == ["v1", "transactions"] and len(parts) >= 3:
            return self.transaction(parts[2], parts[3:], query, body)
        if parts == ["v1", "events"]:
            return self.stream(query) if "event-stream" in self.headers.get("Accept", "") else self.event_page(query)
        if parts[:2] == ["v1", "deliveries"]:
            return self.delivery(parts[2:], query, body)
        if parts[:2] == ["v1", "consumers"]:
            return self.consumer(parts[2:], body)
        if parts == ["v1", "status"]:
            return self.answer(200, json.dumps(fake.status()))
        if parts == ["v1", "sessions"]:
            return self.answer(fake.session_status, fake.proof_reply)
        if parts[:2] == ["v1", "users"]:
            return self.answer(200, json.dumps({"partner_user_id": parts[2], "status": "verified",
                                                "verified_at": stamp(-60)}))
        if parts[:2] == ["v1", "callbacks"]:
            outcomes = {"backend": (204, None), "broken": (500, "HTTP 500"), "command": (0, None),
                        "failing": (3, "exit status 3"),
                        "silent": (None, "connect: refused")}
            if parts[2] not in outcomes:
                raise Problem(404, "unknown_callback", f"there is no callback {parts[2]}")
            status, error = outcomes[parts[2]]
            return self.answer(200, json.dumps({"status": status, "duration_ms": 12, "body": "hello", "error": error}))
        if parts == ["v1", "log-level"]:
            level = json.loads(body)["level"]
            if level not in ("critical", "error", "warning", "notice", "info", "debug"):
                raise Problem(400, "invalid_request", f"{level} is no level")
            fake.level = level
            return self.answer(200, json.dumps({"level": level}))
        if parts == ["readyz"]:
            return self.answer(200, json.dumps({"ok": True, "reasons": [], "proof": self.fake.health}))
        if parts == ["v1", "maintenance"]:
            asked = json.loads(body)
            since = (fake.maintenance or {}).get("since") or stamp()
            fake.maintenance = {"on": True, "since": since, "note": asked.get("note")} if asked["on"] else None
            return self.answer(200, json.dumps(fake.maintenance or {"on": False, "since": None, "note": None}))
        if parts == ["v1", "backup"]:
            return self.backup()
        raise Problem(404, "route_not_found", self.path)

    def track(self, body):
        fake, asked = self.fake, json.loads(body)
        ident = asked["merchant_transaction_id"]
        if not ID_RULE.match(ident):
            raise Problem(400, "invalid_request", "bad id")
        metadata = Raw(json.dumps(asked.get("metadata", {})))
        there = fake.transactions.get(ident)
        if there:
            if there["metadata"] != metadata:
                raise Problem(409, "already_tracked", f"{ident} is tracked with other options")
            return self.answer(200, dump(there))
        self.answer(201, dump(fake.track(ident, metadata=metadata, callback_url=asked.get("callback_url"))))

    def import_lines(self, body):
        created = existing = 0
        rejected = []
        for number, line in enumerate(body.decode().split("\n"), 1):
            if not line.strip():
                continue
            try:
                asked = json.loads(line)
                ident = asked if isinstance(asked, str) else asked["merchant_transaction_id"]
                if not ID_RULE.match(ident):
                    raise ValueError
            except (ValueError, KeyError, TypeError):
                rejected.append({"line": number, "code": "invalid_request", "detail": "not an id"})
                continue
            if ident in self.fake.transactions:
                existing += 1
            else:
                created += 1
                self.fake.track(ident)
        self.answer(200, json.dumps({"created": created, "existing": existing, "rejected": rejected}))

    def page(self, name, items, query):
        limit = int(query.get("limit", 100))
        start = int(query.get("cursor") or 0)
        rest = start + limit < len(items)
        self.answer(200, dump({name: items[start:start + limit], "next_cursor": str(start + limit) if rest else None}))

    def list(self, query):
        items = list(self.fake.transactions.values())[::-1]
        for key in ("state", "status"):
            if key in query:
                items = [one for one in items if one[key] == query[key]]
        self.page("transactions", items, query)

    def untrack_matching(self, asked):
        found = [one for one in self.fake.transactions.values()
                 if one["state"] not in ("settled", "abandoned", "untracked")
                 and asked["filter"].get("state", one["state"]) == one["state"]]
        if not asked["dry_run"]:
            for one in found:
                one["state"] = "untracked"
        self.answer(200, json.dumps({"matched": len(found), "untracked": 0 if asked["dry_run"] else len(found)}))

    def transaction(self, ident, rest, query, body):
        fake = self.fake
        if ident not in fake.transactions:
            raise Problem(404, "unknown_transaction", f"{ident} is not tracked")
        transaction = fake.transactions[ident]
        ended = ("settled", "rejected", "abandoned", "untracked")
        if rest == ["history"]:
            mine = [one for one in fake.deliveries if one["merchant_transaction_id"] == ident]
            return self.answer(200, dump({"changes": fake.history.get(ident, []), "deliveries": mine}))
        if rest == ["poll"]:
            if transaction["state"] == "untracked":
                raise Problem(409, "already_ended", f"{ident} is untracked")
            return self.answer(202, "{}")
        if self.command == "PATCH":
            asked = json.loads(body)
            if "metadata" in asked:
                transaction["metadata"] = Raw(json.dumps(asked["metadata"]))
            transaction["callback_url"] = asked.get("callback_url", transaction["callback_url"])
            return self.answer(200, dump(transaction))
        if self.command == "DELETE":
            if transaction["state"] in ("settled", "abandoned", "untracked"):
                raise Problem(409, "already_ended", f"{ident} is {transaction['state']}")
            transaction.update(state="untracked", next_poll_at=None)
            return self.answer(200, dump(transaction))
        wait = re.fullmatch(r"(\d+)(ms|s|m)", query.get("wait", "0ms"))
        until = time.monotonic() + int(wait[1]) * {"ms": 0.001, "s": 1, "m": 60}[wait[2]]
        with fake.lock:
            while transaction["state"] not in ended and not fake.stopping and time.monotonic() < until:
                fake.lock.wait(until - time.monotonic())
        if fake.stopping:
            raise ConnectionResetError
        self.answer(200, dump(transaction))

    def check_cursor(self, after):
        fake = self.fake
        if after > len(fake.events) or (after and after < fake.first_seq - 1):
            raise Problem(410, "cursor_gone", "the events asked for are gone", oldest_seq=fake.first_seq,
                          last_seq=len(fake.events))

    def event_page(self, query):
        fake = self.fake
        after = int(query.get("after", 0))
        self.check_cursor(after)
        after = max(after, fake.first_seq - 1)
        if "wait" in query:
            with fake.lock:
                fake.lock.wait_for(lambda: fake.stopping or len(fake.events) > after, float(query["wait"].rstrip("s")))
        found = fake.events[after:after + int(query.get("limit", 100))]
        body = '{"events":[%s],"next_after":%d,"log_id":"%s"}' % (",".join(found), after + len(found), fake.log_id)
        self.answer(200, body)

    def stream(self, query):
        fake = self.fake
        at = int(query["after"]) if "after" in query else len(fake.events)
        self.check_cursor(at)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            with fake.lock:
                while at >= len(fake.events) and not fake.stopping:
                    fake.lock.wait(1)
                if fake.stopping:
                    raise ConnectionResetError
                text = f"id: {at + 1}\ndata: {fake.events[at]}\n\n".encode()
                at += 1
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))

    def delivery(self, rest, query, body):
        fake = self.fake
        if not rest:
            items = fake.deliveries[::-1]
            for key in ("state", "callback", "merchant_transaction_id"):
                if key in query:
                    items = [one for one in items if one[key] == query[key]]
            return self.page("deliveries", items, query)
        if rest == ["retry"]:
            wanted = json.loads(body)
            dead = [one for one in fake.deliveries if one["state"] == "dead"
                    and one["callback"] == wanted.get("callback", one["callback"])]
            for one in dead:
                one["state"] = "pending"
            return self.answer(202, json.dumps({"retried": len(dead)}))
        for one in fake.deliveries:
            if str(one["id"]) == rest[0]:
                one["state"] = "pending"
                return self.answer(202, "{}")
        raise Problem(404, "unknown_delivery", f"there is no delivery {rest[0]}")

    def consumer(self, rest, body):
        fake, last = self.fake, len(self.fake.events)
        view = lambda name: {"name": name, "seq": fake.consumers[name], "lag": last - fake.consumers[name],
                             "age_seconds": 3}
        if not rest:
            return self.answer(200, json.dumps({"consumers": [view(name) for name in fake.consumers]}))
        name = rest[0]
        if self.command == "PUT":
            new = name not in fake.consumers
            if new:
                fake.consumers[name] = json.loads(body)["seq"] if body else last
            return self.answer(201 if new else 200, json.dumps(view(name)))
        if name not in fake.consumers:
            raise Problem(404, "unknown_consumer", f"there is no consumer {name}")
        shown = view(name)
        if self.command == "DELETE":
            del fake.consumers[name]
        else:
            seq = json.loads(body)["seq"]
            if seq > last:
                raise Problem(400, "invalid_request", "beyond the last event")
            fake.consumers[name] = max(seq, fake.consumers[name])
            shown = view(name)
        self.answer(200, json.dumps(shown))

    def backup(self):
        data = self.fake.backup_bytes
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.sqlite3")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(data), 60000):
            piece = data[at:at + 60000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if self.fake.backup_cut:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")


if __name__ == "__main__":
    with fake_daemon(sys.argv[1]) as running:
        for number in range(30):
            running.track(f"550e8400-e29b-41d4-a716-4466554400{number:02d}", status="processing", polls=number * 7)
        for number in range(12):
            running.emit(f"550e8400-e29b-41d4-a716-4466554400{number:02d}")
        while True:
            time.sleep(2)
            running.emit()
