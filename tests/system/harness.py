"""Drives the real programs: sandbox, daemon, receivers of callbacks. Python's standard library alone.

The programs come from the build folder named by PROOFTRACK_BIN. Everything lives in a throw-away folder; every process
that was started is ended by its own pid, whatever happens to the test. """

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from datetime import datetime
from pathlib import Path

from store_switch import ON_POSTGRES, on_store
from toml_text import toml_text
from unix_http import Response, UnixConnection, connect_unix, exchange  # noqa: F401 (tests take them from here)

ROOT = Path(__file__).resolve().parent.parent.parent
SANITIZED = "asan" in os.environ.get("PROOFTRACK_BIN", "")
# How much longer than promised a reaction may take on a busy machine with sanitizers.
SLACK = float(os.environ.get("PROOFTRACK_SLACK", "1.5" if SANITIZED else "0.5"))


def program(name):
    build = Path(os.environ.get("PROOFTRACK_BIN", "."))
    for folder in (build, build / "daemon", build / "tests"):
        if (folder / name).is_file():
            return str(folder / name)
    raise SystemExit(f"{name} not found: set PROOFTRACK_BIN to the build folder")


def wait_until(condition, timeout=10.0, what="the condition"):
    """The first true value of condition(); fails after `timeout` seconds."""
    until = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {timeout} s (last value {value!r})")
        time.sleep(0.02)


def parse_time(text):
    """Seconds since the epoch of an RFC 3339 time with milliseconds, as the API writes them."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text), f"not a time of the API: {text!r}"
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Process:
    """One program, its output in a file."""

    def __init__(self, arguments, log_path, env=None):
        self.log_path = Path(log_path)
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.alive():
            os.kill(self.pid, number)

    def wait(self, timeout=30):
        return self.popen.wait(timeout)

    def stop(self, timeout=30):
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait(10)

    def output(self):
        return self.log_path.read_text(errors="replace")

    def memory_kib(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0


class Sandbox:
    def __init__(self, folder, *arguments):
        self.folder = Path(folder)
        self.arguments = list(arguments)
        self.process = None
        self.listen = "127.0.0.1:0"

    def start(self):
        (self.folder / "base_url").unlink(missing_ok=True)
        self.process = Process([program("proof-sandbox"), "--listen", self.listen, "--dir", str(self.folder),
                                *self.arguments],
                               f"{self.folder}.log")
        wait_until(lambda: (self.folder / "base_url").exists() or not self.process.alive(), 20,
                   "the sandbox's base_url")
        assert self.process.alive(), self.process.output()
        self.base_url = (self.folder / "base_url").read_text().strip()
        self.listen = self.base_url.removeprefix("https://")
        self.token = (self.folder / "client_token").read_text().strip()
        self.ca_file = str(self.folder / "ca.pem")
        self.tls = ssl.create_default_context(cafile=self.ca_file)
        return self

    def request(self, method, target, body=None, headers=None, token=None):
        host, port = self.listen.rsplit(":", 1)
        connection = http.client.HTTPSConnection(host.strip("[]"), int(port), context=self.tls, timeout=30)
        try:
            return exchange(connection, method, target, body,
                            {"Authorization": f"Bearer {token or self.token}", **(headers or {})})
        finally:
            connection.close()

    def control(self, method, target, body=None):
        reply = self.request(method, f"/sandbox/{target}", body)
        assert reply.status == 200, reply
        return reply

    def set(self, identifier, status=None, script=None, body=None):
        change = {"status": status, "script": script, "body": body}
        self.control("PUT", f"transactions/{identifier}", {k: v for k, v in change.items() if v is not None})

    def set_many(self, changes):
        self.control("PUT", "script", {"transactions": changes})

    def fault(self, kind, **members):
        if "for_" in members:
            members["for"] = members.pop("for_")
        self.control("PUT", "faults", {"kind": kind, **members})

    def clear_faults(self):
        self.control("DELETE", "faults")

    def log(self, path="/widget/"):
        return json.loads(self.control("GET", f"log?path={path}").body)

    def polls(self, identifier):
        """Times at which the id was asked for."""
        return [parse_time(e["at"]) for e in self.log(f"/widget/transactions/{identifier}")
                if e["path"].endswith("/" + identifier)]

    def clear_log(self):
        self.control("DELETE", "log")

    def stop(self):
        return self.process.stop() if self.process else None


class Delivery:
    def __init__(self, headers, body, path, verified):
        self.headers, self.body, self.path, self.verified = headers, body, path, verified
        self.at = time.time()
        self.event = json.loads(body)

    @property
    def event_id(self):
        return self.headers.get("webhook-id")


def sign(secret, event_id, timestamp, body):
    """Standard Webhooks, written here a second time on purpose."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def new_secret(length=32):
    return "whsec_" + base64.b64encode(os.urandom(length)).decode()


class Receiver:
    """A merchant's backend: takes webhooks on loopback or on a Unix socket and checks each signature.

    `answer(delivery)` gives the status, or (status, headers), or None to close without an answer.
    """

    def __init__(self, secrets, unix_path=None, port=0, address="127.0.0.1"):
        self.secrets = list(secrets)
        self.deliveries = []
        self.answer = lambda delivery: 204
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                headers = {k.lower(): v for k, v in self.headers.items()}
                delivery = Delivery(headers, body, self.path, outer.verify(headers, body))
                with outer.lock:
                    outer.deliveries.append(delivery)
                answer = outer.answer(delivery)
                if answer is None:
                    self.close_connection = True
                    return
                status, extra = answer if isinstance(answer, tuple) else (answer, {})
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

            def address_string(self):
                return "client"

        if unix_path:
            class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
                daemon_threads = True
                request_queue_size = 256

                def handle_error(self, *_):
                    pass

            self.server = Server(str(unix_path), Handler)
            self.url = f"http+unix://{unix_path}:/hooks/proof"
        else:
            class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
                daemon_threads = True
                address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
                allow_reuse_address = True
                request_queue_size = 256

                def handle_error(self, *_):
                    pass

            self.server = Server((address, port), Handler)
            self.port = self.server.server_address[1]
            self.url = f"http://127.0.0.1:{self.port}/hooks/proof"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def verify(self, headers, body):
        given = headers.get("webhook-signature", "").split(" ")
        stamp = headers.get("webhook-timestamp", "")
        if not stamp.isdigit() or abs(time.time() - int(stamp)) > 300:
            return False
        return any(sign(secret, headers.get("webhook-id", ""), stamp, body) in given for secret in self.secrets)

    def events(self, kind=None):
        with self.lock:
            return [d for d in self.deliveries if kind is None or d.event["type"] == kind]

    def of(self, identifier):
        with self.lock:
            return [d for d in self.deliveries if d.event["data"]["merchant_transaction_id"] == identifier]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Daemon:
    def __init__(self, folder, config):
        self.folder = Path(folder)
        self.config = config
        self.config_path = self.folder / "prooftrackd.toml"
        self.log_path = self.folder / "daemon.log"
        self.socket = config["api"]["socket"]
        self.process = None
        self.starts = 0

    def write_config(self):
        self.config_path.write_text(self.config if isinstance(self.config, str) else toml_text(on_store(self.config)))

    def start(self, wait=True, env=None):
        self.write_config()
        self.starts += 1
        self.process = Process([program("prooftrackd"), "--config", str(self.config_path)], self.log_path, env)
        if wait:
            wait_until(lambda: self.answers() or not self.process.alive(), 30, "the daemon's socket")
            assert self.process.alive(), (f"the daemon ended with {self.process.popen.returncode}: "
                                          f"{self.process.output()[-3000:]}")
        return self

    def answers(self):
        try:
            return self.api("GET", "/healthz", timeout=5).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_joined(self):
        """On PostgreSQL, until it holds its shards: what comes before is asked about later."""
        if ON_POSTGRES:
            wait_until(lambda: self.status().get("cluster"), 10, "it has joined")

    def connection(self, timeout=30):
        return UnixConnection(self.socket, timeout)

    def api(self, method, target, body=None, headers=None, timeout=30):
        connection = self.connection(timeout)
        try:
            return exchange(connection, method, target, body, headers)
        finally:
            connection.close()

    def track(self, identifier, expect=201, **options):
        reply = self.api("POST", "/v1/transactions", {"merchant_transaction_id": identifier, **options})
        assert reply.status == expect, reply
        return reply.json

    def import_ids(self, identifiers):
        body = "".join(json.dumps(one) + "\n" for one in identifiers)
        reply = self.api("POST", "/v1/transactions", body, {"Content-Type": "application/x-ndjson"}, timeout=120)
        assert reply.status == 200, reply
        return reply.json

    def get(self, identifier, wait=None):
        reply = self.api("GET", f"/v1/transactions/{identifier}" + (f"?wait={wait}" if wait else ""), timeout=700)
        assert reply.status == 200, reply
        return reply.json

    def wait_state(self, identifier, state, timeout=15):
        return wait_until(lambda: (lambda t: t if t["state"] == state else None)(self.get(identifier)), timeout + SLACK,
                          f"{identifier} in state {state}")

    def events(self, after=0):
        found = []
        while True:
            page = self.api("GET", f"/v1/events?after={after}&limit=1000").json
            if not page["events"]:
                return found
            found += page["events"]
            after = page["next_after"]

    def all_transactions(self):
        found, cursor = [], ""
        while cursor is not None:
            page = self.api("GET", "/v1/transactions?limit=1000" + (f"&cursor={cursor}" if cursor else "")).json
            found += page["transactions"]
            cursor = page["next_cursor"]
        return found

    def status(self):
        return self.api("GET", "/v1/status").json

    def logged(self, event):
        """The lines of that event name, each as a dict."""
        lines = []
        for line in self.log_path.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("event") == event:
                lines.append(entry)
        return lines

    def wait_log(self, event, count=1, timeout=10):
        return wait_until(lambda: (lambda found: found if len(found) >= count else None)(self.logged(event)),
                          timeout + SLACK,
                          f"{count} log lines {event}")

    def stop(self, timeout=30):
        return self.process.stop(timeout)

    def kill(self):
        return self.process.kill()

    def reload(self):
        self.process.signal(signal.SIGHUP)


class SystemCase(unittest.TestCase):
    """A folder, and on request a sandbox, receivers and a daemon in it."""

    # Fast enough for tests; the cadence itself is tested with its own numbers.
    interval = ["200ms", "400ms"]

    def setUp(self):
        # Short: a Unix socket's path holds at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.daemon = None
        self.sandbox = None

    def end(self, process):
        if process is not None and process.alive():
            process.kill()

    def start_sandbox(self, *arguments, name="proof"):
        sandbox = Sandbox(self.folder / name, *arguments).start()
        self.addCleanup(lambda: self.end(sandbox.process))
        if self.sandbox is None:
            self.sandbox = sandbox
        return sandbox

    def start_receiver(self, secrets=None, unix=False, port=0, name="receiver"):
        secrets = secrets or [new_secret()]
        receiver = Receiver(secrets, self.folder / f"{name}.sock" if unix else None, port)
        self.addCleanup(receiver.close)
        receiver.secret_file = self.write_secret(f"{name}.secret", secrets)
        return receiver

    def write_secret(self, name, secrets):
        path = self.folder / name
        path.write_text("".join(secret + "\n" for secret in secrets))
        path.chmod(0o600)
        return str(path)

    def callback(self, receiver, name="backend", **keys):
        return {"name": name, "url": receiver.url, "secret_file": receiver.secret_file, **keys}

    def make_config(self, callbacks=(), **sections):
        config = {
            "stop_timeout": "5s",
            "proof": {"base_url": self.sandbox.base_url, "token_file": str(self.sandbox.folder / "client_token"),
                      "ca_file": self.sandbox.ca_file},
            "poll": {"interval": self.interval, "backoff": ["300ms", "2s"]},
            "store": {"path": str(self.folder / "state" / "prooftrackd.db")},
            "api": {"socket": str(self.folder / "api.sock")},
            "log": {"format": "json", "level": "debug"},
        }
        for name, content in sections.items():
            config[name] = {**config.get(name, {}), **content} if isinstance(content, dict) else content
        if callbacks:
            config["callback"] = list(callbacks)
        return config

    def make_daemon(self, callbacks=(), **sections):
        (self.folder / "state").mkdir(mode=0o700, exist_ok=True)
        self.daemon = Daemon(self.folder, self.make_config(callbacks, **sections))
        daemon = self.daemon
        self.addCleanup(self.finish_daemon, daemon)
        return daemon

    def start_daemon(self, callbacks=(), **sections):
        return self.make_daemon(callbacks, **sections).start()

    def finish_daemon(self, daemon):
        if daemon.process is None:
            return
        self.end(daemon.process)
        text = daemon.process.output()
        for sign_of_trouble in ("AddressSanitizer", "runtime error:", "LeakSanitizer"):
            self.assertNotIn(sign_of_trouble, text, text[-6000:])
        if self._failed():
            print(f"--- the daemon's log ({self.id()})\n{text[-6000:]}")

    def _failed(self):
        outcome = getattr(self, "_outcome", None)
        result = getattr(outcome, "result", None)
        pairs = getattr(result, "errors", []) + getattr(result, "failures", []) if result else []
        return any(case is self for case, _ in pairs)

    def assert_problem(self, reply, status, code):
        self.assertEqual(reply.status, status, reply)
        self.assertEqual(reply.headers["content-type"].split(";")[0], "application/problem+json")
        problem = reply.json
        self.assertEqual(problem["code"], code, reply)
        self.assertEqual(problem["status"], status)
        for member in ("type", "title", "detail"):
            self.assertIn(member, problem)
        return problem
