"""Several daemons on one PostgreSQL: a stand-in Proof that knows which node asks, a relay that cuts, freezes and loses,
and the nodes themselves.

Each node has a token of its own, by which Proof tells the nodes apart. """

import asyncio
import email.utils
import json
import re
import shutil
import socket
import tempfile
import threading
import time
import unittest
from pathlib import Path

from harness import SLACK, Daemon, Receiver, new_secret, wait_until
from postgres_server import MISSING, PROGRAMS, PostgresServer, free_port

NAMES = ("a", "b", "c")
SHARDS = 256
TAKE_OVER = 10.0  # seconds in which the ids of a lost node are polled by others


class ProofByNode:
    """Proof over plain HTTP on loopback, on a thread of its own: every id is `pending` until `words` says otherwise."""

    def __init__(self):
        self.polls = []  # (monotonic seconds, node, id)
        self.words = {}
        self.sessions = 0
        self.loop = asyncio.new_event_loop()
        proof = self

        class Connection(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport, self.buffer = transport, b""

            def data_received(self, data):
                self.buffer += data
                while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
                    head = self.buffer[:end].decode("latin-1")
                    length = re.search(r"\r\ncontent-length: *(\d+)", head, re.I)
                    whole = end + 4 + (int(length.group(1)) if length else 0)
                    if len(self.buffer) < whole:
                        return
                    self.buffer = self.buffer[whole:]
                    self.transport.write(proof.answer(head))

        self.server = self.loop.run_until_complete(self.loop.create_server(Connection, "127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def answer(self, head):
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        node = re.search(r"\r\nauthorization: *Bearer token-of-(\S+)", head, re.I)
        if not node:
            return self.reply(401, {"error": "unauthorized"})
        if method == "POST" and target == "/widget/session":
            self.sessions += 1
            return self.reply(200, {"merchant_transaction_id": f"session-{self.sessions}", "init_token": "once"})
        identifier = target.removeprefix("/widget/transactions/")
        if method != "GET" or identifier == target:
            return self.reply(404, {"error": "not_found"})
        self.polls.append((time.monotonic(), node.group(1), identifier))
        return self.reply(200, {"merchant_transaction_id": identifier, "status": self.words.get(identifier, "pending")})

    @staticmethod
    def reply(status, document):
        body = json.dumps(document).encode()
        return (f"HTTP/1.1 {status} Reply\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                f"Date: {email.utils.formatdate(usegmt=True)}\r\n\r\n").encode() + body

    def polled_by(self, since):
        """{id: {node: times}} of the polls since then."""
        found = {}
        for at, node, identifier in list(self.polls):
            if at >= since:
                found.setdefault(identifier, {}).setdefault(node, []).append(at)
        return found

    def longest_gaps(self, identifiers, since, until):
        """{id: seconds}: the longest time without a poll of it, from its last one before `since` to `until`."""
        times = {identifier: [] for identifier in identifiers}
        for at, _, identifier in list(self.polls):
            if identifier in times and at <= until:
                times[identifier].append(at)
        gaps = {}
        for identifier, asked in times.items():
            before = [at for at in asked if at < since][-1:] or [since]
            steps = before + [at for at in asked if at >= since] + [until]
            gaps[identifier] = max(later - earlier for earlier, later in zip(steps, steps[1:]))
        return gaps

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


class Relay:
    """Between a node and PostgreSQL, with a port for each host of its URL. What it does to connections, it does to all
    of them, and to new ones."""

    def __init__(self, *targets):
        self.lock = threading.Lock()
        self.links = set()
        self.down = False          # new connections are closed at once
        self.thawed = threading.Event()
        self.thawed.set()
        self.bytes_left = None     # until all is cut
        self.at_commit = None      # "before": COMMIT is not passed on, "after": its answer is not
        self.loses_notices = False
        self.cuts = 0
        self.listeners = [socket.create_server(("127.0.0.1", 0)) for _ in targets]
        self.ports = [listener.getsockname()[1] for listener in self.listeners]
        for each in zip(self.listeners, targets):
            threading.Thread(target=self.accept, args=each, daemon=True).start()

    def accept(self, listener, port):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if self.down:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", port), 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self.lock:
                self.links.add((client, server))
            for work in (self.upstream, self.downstream):
                threading.Thread(target=self.run, args=(work, client, server), daemon=True).start()

    def run(self, work, client, server):
        try:
            work(client, server)
        except OSError:
            pass
        self.end(client, server)

    def end(self, client, server):
        with self.lock:
            self.links.discard((client, server))
        for one in (client, server):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def upstream(self, client, server):
        while data := client.recv(65536):
            self.thawed.wait()
            how = self.at_commit
            if how and b"COMMIT" in data:
                self.at_commit = None
                client.shutdown(socket.SHUT_RDWR)  # no answer comes through any more
                if how == "after":
                    server.sendall(data)
                self.cuts += 1
                return
            self.send(server, data)

    def downstream(self, client, server):
        rest = b""
        while data := server.recv(65536):
            self.thawed.wait()
            if self.loses_notices:
                data, rest = without_notices(rest + data)
            elif rest:
                data, rest = rest + data, b""
            self.send(client, data)

    def send(self, sink, data):
        with self.lock:
            left = self.bytes_left
            if left is not None:
                self.bytes_left = None if left <= len(data) else left - len(data)
        if left is None or left > len(data):
            sink.sendall(data)
            return
        sink.sendall(data[:left])
        self.cut()

    def cut(self):
        """Ends every connection, as a firewall's reset does."""
        self.cuts += 1
        for client, server in list(self.links):
            self.end(client, server)

    def cut_after(self, count):
        """When so many bytes more went through, in whatever direction."""
        with self.lock:
            self.bytes_left = count

    def freeze(self):
        """Nothing goes through and nothing ends, as when a cable is pulled."""
        self.thawed.clear()

    def thaw(self):
        self.thawed.set()

    def close(self):
        self.down = True
        self.thaw()
        for listener in self.listeners:
            listener.close()
        self.cut()


def without_notices(data):
    """PostgreSQL's messages without NotificationResponse, and what is there of an unfinished one."""
    kept = b""
    while len(data) >= 5 and len(data) > (length := int.from_bytes(data[1:5], "big")):
        if data[:1] != b"A":
            kept += data[:length + 1]
        data = data[length + 1:]
    return kept, data


class Stream(threading.Thread):
    """The server-sent events of a node from now on: (seconds since the epoch, id of the transaction)."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.connection = node.connection(60)
        self.connection.request("GET", "/v1/events", headers={"Accept": "text/event-stream"})
        self.reply = self.connection.getresponse()
        self.seen = []
        self.start()

    def run(self):
        try:
            for line in self.reply:
                if line.startswith(b"data:"):
                    text = line.decode().split('"merchant_transaction_id":"')
                    self.seen.append((time.time(), text[1].split('"')[0] if len(text) > 1 else ""))
        except (OSError, ValueError, AttributeError):
            pass

    def close(self):
        self.connection.close()


class Cluster:
    """Nodes on one database, each in a folder of its own, and `relayed` each behind a relay of its own. With a
    `standby`, their URL names both servers. `close` ends all of it."""

    def __init__(self, server, database, names=NAMES, interval=("1s", "2s"), level="info", relayed=True, standby=None,
                 **sections):
        self.folder = Path(tempfile.mkdtemp(prefix="ptc-", dir="/tmp"))
        self.server, self.database = server, database
        self.proof = ProofByNode()
        self.secret_file = self.write("secret", new_secret())
        self.receiver = Receiver([Path(self.secret_file).read_text().strip()])
        self.ports = [one.port for one in (server, standby) if one]
        self.relays = {name: Relay(*self.ports) for name in names} if relayed else {}
        server.sql(f"CREATE DATABASE {database}")
        self.nodes = {name: self.make(name, interval, level, sections) for name in names}

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        return str(path)

    def url(self, name):
        hosts = ",".join(f"127.0.0.1:{port}" for port in (self.relays[name].ports if self.relays else self.ports))
        return f"postgresql://postgres@{hosts}/{self.database}?sslmode=disable&gssencmode=disable"

    def make(self, name, interval, level, sections, folder=None):
        folder = self.folder / (folder or name)
        folder.mkdir()
        config = {
            "stop_timeout": "10s",
            "proof": {"base_url": self.proof.base_url,
                      "token_file": self.write(f"token-{folder.name}", f"token-of-{name}")},
            "poll": {"interval": list(interval), "backoff": ["300ms", "2s"]},
            "store": {"url": self.url(name)},
            "cluster": {"node": name},
            "api": {"socket": str(folder / "api.sock")},
            "log": {"format": "json", "level": level},
            "callback": [{"name": "backend", "url": self.receiver.url, "secret_file": self.secret_file,
                          "retry_schedule": ["300ms"] * 20}],
        }
        for section, content in sections.items():
            config[section] = {**config.get(section, {}), **content} if isinstance(content, dict) else content
        return Daemon(folder, config)

    def __getitem__(self, name):
        return self.nodes[name]

    def running(self):
        return [name for name, node in self.nodes.items() if node.process and node.process.alive()]

    def start(self, timeout=30):
        """All that do not run, at once; until each has its share."""
        fresh = [node for name, node in self.nodes.items() if name not in self.running()]
        for node in fresh:
            node.start(wait=False)
        for node in fresh:
            wait_until(lambda: node.answers() or not node.process.alive(), timeout, "a node's socket")
            assert node.process.alive(), node.process.output()[-3000:]
        return self.wait_shared(timeout=timeout)

    def shares(self, name):
        """{node: shards} of those that are living, as `name` sees it."""
        nodes = self[name].status().get("cluster", {}).get("nodes", [])  # none while it is joining
        return {one["id"]: one["shards"] for one in nodes if one["state"] == "living"}

    def wait_shared(self, names=None, timeout=TAKE_OVER):
        """Until each of these nodes says that they, and only they, share all shards evenly to 10 %."""
        names = tuple(names or self.nodes)
        even = SHARDS / len(names)

        def said_by(name):
            shares = self.shares(name)
            return (set(shares) == set(names) and sum(shares.values()) == SHARDS
                    and all(abs(count - even) <= 0.1 * even + 1 for count in shares.values()))
        wait_until(lambda: all(said_by(name) for name in names), timeout + 2 * SLACK,
                   f"shards shared evenly by {', '.join(names)}")
        return self

    def owners(self, identifiers, asked):
        """{id: node}, as one node says."""
        return {identifier: self[asked].get(identifier).get("node") for identifier in identifiers}

    def settle(self, identifiers, word="completed"):
        for identifier in identifiers:
            self.proof.words[identifier] = word

    def rows(self, sql):
        return self.server.sql(sql, self.database)

    def trouble(self):
        """What sanitizers said, of any node."""
        signs = ("AddressSanitizer", "runtime error:", "LeakSanitizer", "ThreadSanitizer")
        return [node.process.output()[-6000:] for node in self.nodes.values() if node.process
                and any(sign in node.process.output() for sign in signs)]

    def close(self):
        for node in self.nodes.values():
            if node.process and node.process.alive():
                node.process.kill()
        trouble = self.trouble()
        for relay in self.relays.values():
            relay.close()
        self.receiver.close()
        self.proof.close()
        shutil.rmtree(self.folder, True)
        assert not trouble, trouble


@unittest.skipUnless(PROGRAMS, MISSING)
class ClusterCase(unittest.TestCase):
    """One PostgreSQL and one cluster for all tests of the class; each test has ids of its own."""

    @classmethod
    def setUpClass(cls):
        cls.server = PostgresServer(free_port())
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()
        cls.cluster = Cluster(cls.server, "cluster")
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.start()

    def tearDown(self):
        result = getattr(getattr(self, "_outcome", None), "result", None)
        if any(case is self for case, _ in getattr(result, "errors", []) + getattr(result, "failures", [])):
            for name, node in self.cluster.nodes.items():
                print(f"--- the log of {name} ({self.id()})\n{node.process.output()[-3000:]}")

    def identifiers(self, count):
        """New ones, imported by one node."""
        name = self.id().rsplit(".", 1)[1].removeprefix("test_")[:40]
        found = [f"{name}-{number}" for number in range(count)]
        self.cluster["a" if "a" in self.cluster.running() else "b"].import_ids(found)
        return found

    def api(self, name, method, target, body=None, headers=None, expect=200):
        reply = self.cluster[name].api(method, target, body, headers)
        self.assertEqual(reply.status, expect, reply)
        return reply.json

    def wait_polled(self, identifiers, since, by=None, timeout=5.0):
        """Until each was polled since then, by one of the nodes `by`. Gives the seconds that each took."""
        def all_polled():
            seen = self.cluster.proof.polled_by(since)
            first = {one: [times[0] for node, times in seen.get(one, {}).items() if by is None or node in by]
                     for one in identifiers}
            return {one: min(times) - since for one, times in first.items()} if all(first.values()) else None
        return wait_until(all_polled, timeout + SLACK, f"{len(identifiers)} ids polled by {by or 'anybody'}")

    def wait_delivered(self, identifiers, timeout=10.0):
        wait_until(lambda: all(self.cluster.receiver.of(one) for one in identifiers), timeout + SLACK, "all callbacks")

    def assert_log_whole(self):
        """The log of events is the same on each running node, has no gap and tells each end once."""
        logs = [self.cluster[name].events() for name in self.cluster.running()]
        shortest = min(len(log) for log in logs)
        for log in logs:
            self.assertEqual([event["seq"] for event in log], list(range(1, len(log) + 1)))
            self.assertEqual(log[:shortest], logs[0][:shortest])
        events = max(logs, key=len)
        self.assertEqual(len({event["id"] for event in events}), len(events), "an id of an event twice")
        ends = [event["data"]["merchant_transaction_id"] for event in events if event["data"]["final"]]
        self.assertEqual(len(set(ends)), len(ends), "the end of a transaction told under two ids")
        told = {event["id"]: event for event in events}
        for delivery in self.cluster.receiver.events():
            if delivery.event_id not in told:
                continue  # recorded since
            event = dict(told[delivery.event_id])
            del event["seq"]
            self.assertEqual(delivery.event, event)
            self.assertTrue(delivery.verified)
        return events
