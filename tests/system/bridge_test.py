#!/usr/bin/env python3
"""prooftrackctl bridge with Debian's real Redis and RabbitMQ: every event arrives at least once and in the order of its
transaction, whoever is killed; what a broker does not take is not acknowledged to the daemon.

PROOFTRACK_BRIDGE_KILLS sets how many kills each broker's test makes; few without it, since RabbitMQ starts slowly. """

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from brokers import RabbitMQ, Redis, why_no_rabbitmq, why_no_redis  # noqa: E402
from fake_daemon import fake_daemon  # noqa: E402
from harness import SLACK, Process, SystemCase, program, wait_until  # noqa: E402
from tls_parts import issue  # noqa: E402

KILLS = os.environ.get("PROOFTRACK_BRIDGE_KILLS")
PATIENCE = 20 + 20 * SLACK
CREDENTIALS = "shop:hunter2\n"


def webhook_body(event):
    """What a webhook has of an event of the log."""
    return {key: value for key, value in event.items() if key != "seq"}


class BridgeCase(SystemCase):
    bridges = 0

    def bridge(self, *arguments, socket=None, consumer="books"):
        """Starts it; its output is in a file of its own."""
        self.bridges += 1
        process = Process([program("prooftrackctl"), "--socket", str(socket or self.daemon.socket), "bridge",
                           "--consumer", consumer, *map(str, arguments)], self.folder / f"bridge-{self.bridges}.log")
        self.addCleanup(self.finish_bridge, process)
        return process

    def finish_bridge(self, process):
        self.end(process)
        text = process.output()
        for trouble in ("Sanitizer", "runtime error:", "hunter2"):
            self.assertNotIn(trouble, text)
        if self._failed():
            print(f"--- a bridge's output ({self.id()})\n{text[-3000:]}")

    def said(self, process, text, timeout=PATIENCE):
        wait_until(lambda: text in process.output(), timeout, f"{text!r} in {process.output()!r}")

    def ends(self, process, status, *texts):
        self.assertEqual(process.wait(PATIENCE), status, process.output())
        for text in texts:
            self.assertIn(text, process.output())

    def credentials(self, text=CREDENTIALS):
        path = self.folder / "credentials"
        path.write_text(text)
        path.chmod(0o600)
        return path

    def fake(self):
        fake = fake_daemon(self.folder / "fake.sock")
        fake.start()
        self.addCleanup(fake.stop)
        return fake

    def start_real_daemon(self):
        self.start_sandbox("--accept-any")
        daemon = self.start_daemon(poll={"verify_after": []})
        daemon.wait_joined()  # a first poll that comes late finds less to tell
        return daemon

    def settle(self, identifiers, spread=0):
        """Two events each: the change to processing, and the end; one transaction `spread` ms after the other."""
        script = lambda later: [{"after": "0ms", "status": "pending"},
                                {"after": f"{700 + later}ms", "status": "processing"},
                                {"after": f"{1400 + later}ms", "status": "completed"}]
        self.sandbox.set_many({each: {"script": script(number * spread)} for number, each in enumerate(identifiers)})
        self.daemon.import_ids(identifiers)

    def lag(self, consumer="books"):
        listed = self.daemon.api("GET", "/v1/consumers").json["consumers"]
        return next((each["lag"] for each in listed if each["name"] == consumer), None)

    def wait_for_no_lag(self, seconds=PATIENCE):
        wait_until(lambda: self.lag() == 0, seconds, "all events acknowledged")

    def assert_all_there(self, arrived, transactions, after=0):
        """`arrived`: bodies in the order in which the broker has them; of the events behind the seq `after`."""
        events = self.daemon.events(after)
        self.assertEqual(len({event["data"]["merchant_transaction_id"] for event in events}), transactions)
        sequence = {event["id"]: event["seq"] for event in events}
        bodies = {event["id"]: webhook_body(event) for event in events}
        first, newest = set(), {}
        for body in map(json.loads, arrived):
            self.assertEqual(body, bodies[body["id"]])
            transaction, seq = body["data"]["merchant_transaction_id"], sequence[body["id"]]
            if body["id"] not in first:
                self.assertGreater(seq, newest.get(transaction, 0), "turned round")
                newest[transaction] = seq
            first.add(body["id"])
        self.assertEqual(first, set(sequence), "lost")
        repeats = len(arrived) - len(first)
        print(f"{len(first)} events, {repeats} repeats, 0 lost")

    def kill_over_and_over(self, broker, start_bridge, kills):
        """Kills the bridge, the daemon and the broker in turn while events arise; gives how many transactions."""
        dice = random.Random(4711)
        settled = lambda: self.daemon.status()["transactions"]["by_state"].get("settled", 0)
        before, made, bridge = settled(), 0, start_bridge()
        for number in range(kills):
            self.settle([f"t-{made + i}" for i in range(100)], spread=15)
            made += 100
            time.sleep(dice.uniform(0.8, 2.4))  # between the first changes and the last ends
            if number % 3 == 0:
                bridge.kill()
                bridge = start_bridge()
            elif number % 3 == 1:
                self.daemon.kill()
                self.daemon.start()
            else:
                broker.kill()
                broker.start()
        wait_until(lambda: settled() == before + made, PATIENCE + kills, "all ends")
        self.wait_for_no_lag(PATIENCE + kills)
        self.assertTrue(bridge.alive(), bridge.output())
        self.assertEqual(bridge.stop(), 0)
        return made


@unittest.skipIf(why_no_redis(), why_no_redis())
class ToRedis(BridgeCase):
    def start_redis(self, *options, tls=None):
        redis = Redis(self.folder / "redis", *options, tls=tls).start()
        self.addCleanup(redis.stop)
        self.target = ("--redis", f"redis://127.0.0.1:{redis.port}", "--stream", "proof")
        return redis

    def wait_for_entries(self, redis, number, **options):
        return wait_until(lambda: (lambda found: found if len(found) >= number else None)
                          (redis.entries("proof", **options)), PATIENCE, f"{number} entries")

    def test_an_event_arrives_with_its_bytes_and_is_acknowledged(self):
        redis = self.start_redis()
        self.start_real_daemon()
        self.settle(["before"])
        self.daemon.wait_state("before", "settled")
        bridge = self.bridge(*self.target, "--from-oldest")
        self.settle([f"t-{i}" for i in range(3)])
        entries = self.wait_for_entries(redis, 8)
        self.assert_all_there([entry[b"body"] for entry in entries], 4)
        self.wait_for_no_lag()
        for entry, event in zip(sorted(entries, key=lambda e: e[b"id"]), sorted(self.daemon.events(),
                                                                               key=lambda e: e["id"])):
            self.assertEqual(entry[b"id"].decode(), event["id"])
            self.assertEqual(entry[b"type"].decode(), event["type"])
            self.assertEqual(entry[b"timestamp"].decode(), event["timestamp"])
            self.assertEqual(entry[b"merchant_transaction_id"].decode(), event["data"]["merchant_transaction_id"])
            self.assertEqual(set(entry), {b"id", b"type", b"timestamp", b"sequence", b"merchant_transaction_id",
                                          b"body"})
        sequences = [int(e[b"sequence"]) for e in entries if e[b"merchant_transaction_id"] == b"before"]
        self.assertEqual(sequences, sorted(set(sequences)))

        self.assertEqual(bridge.stop(), 0)
        self.assertIn("8 events published", bridge.output())
        again = self.bridge(*self.target, "--max-length", 1)
        self.settle(["later"])
        self.daemon.wait_state("later", "settled")
        self.wait_for_no_lag()
        self.assertEqual(again.stop(), 0)
        self.assertIn("2 events published", again.output())
        kept = redis.entries("proof")
        self.assertEqual(kept[-1][b"id"].decode(), self.daemon.events()[-1]["id"])
        self.assertLess(len(kept), 10, "about one is kept")

    def test_nothing_is_lost_or_turned_round_by_kills(self):
        redis = self.start_redis()
        self.start_real_daemon()
        made = self.kill_over_and_over(redis, lambda: self.bridge(*self.target, "--from-oldest"), int(KILLS or 6))
        self.assert_all_there([entry[b"body"] for entry in redis.entries("proof")], made)

    def test_what_redis_refuses_is_not_acknowledged_and_repeated_in_order(self):
        redis = self.start_redis()
        fake = self.fake()
        redis.call("CONFIG", "SET", "maxmemory", "1")
        for number in range(5):
            fake.emit(f"t-{number % 2}")
        bridge = self.bridge(*self.target, "--from-oldest", socket=fake.path)
        self.said(bridge, "OOM")
        self.assertEqual(fake.consumers["books"], 0)
        redis.call("CONFIG", "SET", "maxmemory", "0")
        self.said(bridge, "going on")
        self.assertEqual(fake.consumers["books"], 5)
        arrived = [json.loads(entry[b"body"]) for entry in redis.entries("proof")]
        for transaction in ("t-0", "t-1"):
            of_it = lambda events: [e["id"] for e in events if e["data"]["merchant_transaction_id"] == transaction]
            self.assertEqual(of_it(arrived), of_it(map(json.loads, fake.events)))
        self.assertEqual(bridge.stop(), 0)

    def test_what_was_pruned_is_told_and_passed_over_only_when_asked_for(self):
        redis = self.start_redis()
        fake = self.fake()
        for number in range(6):
            fake.emit(f"t-{number}")
        fake.consumers["books"], fake.first_seq = 2, 5
        self.ends(self.bridge(*self.target, socket=fake.path), 1, "stands at event 2", "holds 5 to 6", "--from-oldest")
        self.assertEqual((fake.consumers["books"], redis.entries("proof")), (2, []))
        bridge = self.bridge(*self.target, "--from-oldest", socket=fake.path)
        self.wait_for_entries(redis, 2)
        wait_until(lambda: fake.consumers["books"] == 6, PATIENCE, "the acknowledgement")
        self.assertIn("passed over", bridge.output())
        self.assertEqual(bridge.stop(), 0)

    def test_another_log_is_read_where_the_consumer_stands_in_it(self):
        redis = self.start_redis()
        fake = self.fake()
        for number in range(4):
            fake.emit(f"t-{number}")
        fake.consumers["books"] = 0
        bridge = self.bridge(*self.target, socket=fake.path)
        wait_until(lambda: fake.consumers["books"] == 4, PATIENCE, "the acknowledgement")
        fake.stop()
        self.said(bridge, "Trying again.")
        fake.events, fake.log_id, fake.consumers = fake.events[:2], "log-2", {"books": 1}
        fake.start()
        self.said(bridge, "another event log")
        wait_until(lambda: fake.consumers["books"] == 2, PATIENCE, "the acknowledgement")
        fake.emit("new")
        entries = self.wait_for_entries(redis, 6)
        ids = [json.loads(entry[b"body"])["data"]["merchant_transaction_id"] for entry in entries]
        self.assertEqual(ids, ["t-0", "t-1", "t-2", "t-3", "t-1", "new"])
        wait_until(lambda: fake.consumers["books"] == 3, PATIENCE, "the acknowledgement")

        fake.stop()
        fake.events, fake.log_id, fake.consumers = fake.events[:1], "log-3", {}
        fake.start()
        wait_until(lambda: fake.consumers.get("books") == 1, PATIENCE, "a consumer from the oldest event on")
        del fake.consumers["books"]
        fake.emit("one-more")
        self.ends(bridge, 1, "was removed")

    def test_a_stop_waits_for_what_is_on_its_way_and_no_longer(self):
        redis = self.start_redis()
        fake = self.fake()
        for number in range(3):
            fake.emit(f"t-{number}")
        fake.consumers["books"] = 0
        bridge = self.bridge(*self.target, socket=fake.path)
        wait_until(lambda: fake.consumers["books"] == 3, PATIENCE, "the acknowledgement")
        self.stop_with_one_on_its_way(redis, fake, bridge)
        with self.assertRaises(subprocess.TimeoutExpired, msg="the confirm is waited for"):
            bridge.wait(1)
        redis.process.signal(signal.SIGCONT)
        self.ends(bridge, 0, "4 events published")
        self.assertEqual(fake.consumers["books"], 4)

        stuck = self.bridge(*self.target, socket=fake.path)
        self.said(stuck, "connected to")
        self.stop_with_one_on_its_way(redis, fake, stuck)
        begun = time.monotonic()
        self.ends(stuck, 0, "0 events published")
        self.assertLess(time.monotonic() - begun, 12 + SLACK)
        self.assertEqual(fake.consumers["books"], 4)

    def stop_with_one_on_its_way(self, redis, fake, bridge):
        """Redis answers no more, an event is published to it, the bridge is asked to stop."""
        redis.process.signal(signal.SIGSTOP)
        fake.emit("on-its-way")
        wait_until(redis.unread, PATIENCE, "an event on its way")
        bridge.signal(signal.SIGTERM)

    def test_credentials_certificates_and_mistakes(self):
        self.start_sandbox()
        redis = self.start_redis("--requirepass", "hunter2", "--appendonly", "no",
                                 tls=issue(self.sandbox, self.folder, "redis"))
        fake = self.fake()
        fake.emit("t-1")
        fake.consumers["books"] = 0
        self.ends(self.bridge(*self.target, socket=fake.path), 1, "NOAUTH")
        wrong = self.credentials(":wrong\n")
        self.ends(self.bridge(*self.target, "--credentials-file", wrong, socket=fake.path), 1, "WRONGPASS")
        self.ends(self.bridge(*self.target, "--credentials-file", "/nowhere", socket=fake.path), 1, "/nowhere")
        right = ("--credentials-file", self.credentials(":hunter2\n"))
        redis.call("SET", "text", "x", password="hunter2")
        self.ends(self.bridge(*self.target[:2], "--stream", "text", *right, socket=fake.path), 1, "no stream")
        self.ends(self.bridge("--redis", f"redis://shop:secret@127.0.0.1:{redis.port}", "--stream", "s",
                              socket=fake.path), 64, "--credentials-file")

        secured = ("--redis", f"rediss://127.0.0.1:{redis.tls_port}/2", "--stream", "proof", *right)
        distrusting = self.bridge(*secured, socket=fake.path)
        self.said(distrusting, "--ca-file")
        distrusting.kill()
        misnamed = ("--redis", f"rediss://localhost:{redis.tls_port}", "--stream", "proof", *right)
        refused = self.bridge(*misnamed, "--ca-file", self.sandbox.ca_file, socket=fake.path)
        self.said(refused, "mismatch")
        refused.kill()
        self.assertEqual(fake.consumers["books"], 0)

        self.credentials(":hunter2\n").chmod(0o644)
        trusting = self.bridge(*secured, "--ca-file", self.sandbox.ca_file, socket=fake.path)
        wait_until(lambda: fake.consumers["books"] == 1, PATIENCE, "the acknowledgement")
        self.said(trusting, "keeps no append-only file")
        self.said(trusting, "others can read")
        self.assertEqual(redis.entries("proof", password="hunter2"), [], "it is in database 2")
        self.assertEqual(trusting.stop(), 0)

    def test_a_password_that_is_answered_back_is_not_shown(self):
        peer = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(peer.close)

        def answer_back():
            connection = peer.accept()[0]
            with connection:
                asked = connection.recv(4096).split(b"\r\n")
                connection.sendall(b"-ERR unknown command `AUTH`, with args beginning with: `%s`\r\n" % asked[4])

        answering = threading.Thread(target=answer_back, daemon=True)
        answering.start()
        fake = self.fake()
        fake.emit("t-1")
        fake.consumers["books"] = 0
        bridge = self.bridge("--redis", f"redis://127.0.0.1:{peer.getsockname()[1]}", "--stream", "s",
                             "--credentials-file", self.credentials(":hunter2\n"), socket=fake.path)
        self.said(bridge, "does not take AUTH")
        answering.join(10)
        self.assertFalse(answering.is_alive())
        bridge.kill()
        self.assertNotIn("hunter2", bridge.output())

    def test_replicas_must_have_an_entry_when_they_are_asked_for(self):
        redis = self.start_redis("--repl-diskless-sync-delay", "0")
        fake = self.fake()
        fake.emit("t-1")
        fake.consumers["books"] = 0
        bridge = self.bridge(*self.target, "--replicas", 1, socket=fake.path)
        self.said(bridge, "0 replicas of 1 have the entries")
        self.assertEqual(fake.consumers["books"], 0)
        replica = Redis(self.folder / "replica", "--replicaof", f"127.0.0.1 {redis.port}")
        self.addCleanup(replica.stop)
        replica.start()
        wait_until(lambda: fake.consumers["books"] == 1, 2 * PATIENCE, "the acknowledgement")
        self.assertEqual(bridge.stop(), 0)

    def test_a_broker_that_comes_later_is_waited_for(self):
        redis = Redis(self.folder / "redis")
        self.addCleanup(redis.stop)
        self.target = ("--redis", f"redis://127.0.0.1:{redis.port}", "--stream", "proof")
        fake = self.fake()
        fake.emit("t-1")
        fake.consumers["books"] = 0
        bridge = self.bridge(*self.target, socket=fake.path)
        self.said(bridge, "Connection refused")
        redis.start()
        wait_until(lambda: fake.consumers["books"] == 1, PATIENCE, "the acknowledgement")
        self.assertEqual(bridge.output().count("Connection refused"), 1, "told once")
        self.assertEqual(bridge.stop(), 0)
        fake.stop()
        self.ends(self.bridge(*self.target, socket=fake.path), 69)


@unittest.skipIf(why_no_rabbitmq(), why_no_rabbitmq())
class ToRabbitMQ(BridgeCase):
    """One node for all: it takes seconds to start."""

    def test_rabbitmq(self):
        self.start_real_daemon()
        self.rabbit = RabbitMQ(self.folder / "rabbit", issue(self.sandbox, self.folder, "rabbit"),
                               self.sandbox.ca_file)
        self.addCleanup(self.rabbit.stop)
        self.rabbit.start()
        self.access = ("--credentials-file", self.credentials(), "--exchange", "proof")
        self.plain = ("--amqp", f"amqp://127.0.0.1:{self.rabbit.port}")
        for part in (self.mistakes_are_told, self.messages_have_their_properties, self.what_is_returned_comes_again,
                     self.what_is_refused_comes_again_in_order, self.kills_lose_nothing):
            with self.subTest(part.__name__):
                part()

    def mistakes_are_told(self):
        self.ends(self.bridge(*self.plain, *self.access), 1, "no exchange 'proof'", "404")
        with self.rabbit.client() as client:
            client.declare_exchange("proof", "topic")
        self.ends(self.bridge(*self.plain, "--exchange", "proof"), 1, "log in", "403")  # as guest
        self.ends(self.bridge(*self.plain[:1], f"{self.plain[1]}/nowhere", *self.access), 1, "nowhere")
        secured = ("--amqp", f"amqps://127.0.0.1:{self.rabbit.tls_port}", *self.access)
        distrusting = self.bridge(*secured)
        self.said(distrusting, "--ca-file")
        distrusting.kill()
        misnamed = self.bridge("--amqp", f"amqps://localhost:{self.rabbit.tls_port}", *self.access, "--ca-file",
                               self.sandbox.ca_file)
        self.said(misnamed, "--ca-file")
        misnamed.kill()

    def messages_have_their_properties(self):
        with self.rabbit.client() as client:
            client.declare_queue("all")
            client.bind("all", "proof", "proof.#")
        self.bridge_to_all = lambda *more: self.bridge(
            "--amqp", f"amqps://127.0.0.1:{self.rabbit.tls_port}", *self.access, "--ca-file", self.sandbox.ca_file,
            "--routing-key", "proof.{type}.{status}", *more)
        bridge = self.bridge_to_all("--from-oldest")
        self.said(bridge, "connected to amqps://")
        self.settle(["first"])
        self.daemon.wait_state("first", "settled")
        wait_until(lambda: self.lag() == 0 and len(self.daemon.events()) == 2, PATIENCE, "two events")
        taken = self.rabbit.take_all("all")
        self.assert_all_there([body for _, _, body in taken], 1)
        for (key, properties, _), event in zip(taken, self.daemon.events()):
            self.assertEqual(properties.message_id, event["id"])
            self.assertEqual(properties.type, event["type"])
            self.assertEqual(properties.content_type, "application/json")
            self.assertEqual(properties.delivery_mode, 2)
            self.assertEqual(properties.app_id, "prooftrackd")
            self.assertAlmostEqual(properties.timestamp, time.time(), delta=120)
            self.assertEqual(properties.headers["merchant_transaction_id"], "first")
            self.assertEqual(key, f"proof.{event['type']}.{event['data']['status']}")
        sequences = [properties.headers["webhook-sequence"] for _, properties, _ in taken]
        self.assertEqual(sequences, sorted(set(sequences)))
        self.assertEqual(bridge.stop(), 0)
        self.assertIn("2 events published", bridge.output())

    def what_is_returned_comes_again(self):
        bridge = self.bridge(*self.plain, *self.access, "--routing-key", "nobody.{type}")
        self.settle(["returned"])
        self.said(bridge, "Is a queue bound for it?")
        self.assertGreater(self.lag(), 0)
        with self.rabbit.client() as client:
            client.bind("all", "proof", "nobody.#")
        self.daemon.wait_state("returned", "settled")
        self.wait_for_no_lag()
        self.assertEqual(bridge.stop(), 0)
        arrived = [json.loads(body)["type"] for _, _, body in self.rabbit.take_all("all")]
        self.assertEqual(list(dict.fromkeys(arrived)), ["transaction.updated", "transaction.completed"])

    def what_is_refused_comes_again_in_order(self):
        with self.rabbit.client() as client:
            client.declare_queue("small", x_max_length=1, x_overflow="reject-publish")
            client.bind("small", "proof", "small")
        bridge = self.bridge(*self.plain, *self.access, "--routing-key", "small")
        self.settle(["r-1", "r-2"])
        self.said(bridge, "(nack)")
        arrived = []

        def drained():
            arrived.extend(json.loads(body) for _, _, body in self.rabbit.take_all("small"))
            return len({body["id"] for body in arrived}) == 4
        wait_until(drained, PATIENCE, "all four, one at a time")
        self.wait_for_no_lag()
        self.assertEqual(bridge.stop(), 0)
        for transaction in ("r-1", "r-2"):
            types = [b["type"] for b in arrived if b["data"]["merchant_transaction_id"] == transaction]
            self.assertEqual(list(dict.fromkeys(types)), ["transaction.updated", "transaction.completed"])

    def kills_lose_nothing(self):
        before = self.daemon.events()[-1]["seq"]
        made = self.kill_over_and_over(self.rabbit, self.bridge_to_all, int(KILLS or 3))
        self.assert_all_there([body for _, _, body in self.rabbit.take_all("all")], made, after=before)


if __name__ == "__main__":
    unittest.main()
