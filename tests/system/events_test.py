#!/usr/bin/env python3
"""The event log: cursors that miss nothing, streams that resume, named consumers."""

import json
import socket
import threading
import time
import unittest

from harness import SLACK, SystemCase, wait_until


class Stream:
    """Server-sent events, read by a thread."""

    def __init__(self, daemon, target="/v1/events", headers=None):
        self.connection = daemon.connection(timeout=60)
        self.connection.request("GET", target, headers={"Accept": "text/event-stream", **(headers or {})})
        self.reply = self.connection.getresponse()
        self.events, self.comments, self.ended = [], 0, False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        fields = {}
        try:
            for line in self.reply:
                line = line.decode().rstrip("\n").rstrip("\r")
                if line.startswith(":"):
                    self.comments += 1
                elif not line:
                    if "data" in fields:
                        self.events.append((int(fields["id"]), json.loads(fields["data"])))
                    fields = {}
                else:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
        except (OSError, ValueError, AttributeError):
            pass
        self.ended = True

    def close(self):
        self.connection.close()


class Events(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.start_daemon([])

    def settle(self, *identifiers):
        self.sandbox.set_many({identifier: "completed" for identifier in identifiers})
        for identifier in identifiers:
            self.daemon.track(identifier)
        for identifier in identifiers:
            self.daemon.wait_state(identifier, "settled")

    def test_pages_follow_the_cursor(self):
        self.assertEqual(self.daemon.api("GET", "/v1/events").json["events"], [])
        self.settle(*[f"e{n}" for n in range(7)])
        page = self.daemon.api("GET", "/v1/events?limit=3").json
        self.assertEqual([e["seq"] for e in page["events"]], [1, 2, 3])
        self.assertEqual(page["next_after"], 3)
        page = self.daemon.api("GET", "/v1/events?limit=100&after=3").json
        self.assertEqual([e["seq"] for e in page["events"]], [4, 5, 6, 7])
        again = self.daemon.api("GET", "/v1/events?after=7").json
        self.assertEqual((again["events"], again["next_after"]), ([], 7))
        self.assertTrue(again["log_id"])
        gone = self.assert_problem(self.daemon.api("GET", "/v1/events?after=8"), 410, "cursor_gone")
        self.assertEqual((gone["oldest_seq"], gone["last_seq"]), (1, 7))

    def test_wait_ends_with_the_event_or_the_timeout(self):
        began = time.monotonic()
        self.assertEqual(self.daemon.api("GET", "/v1/events?wait=600ms").json["events"], [])
        self.assertGreaterEqual(time.monotonic() - began, 0.55)
        self.sandbox.set("soon", script=[{"after": "700ms", "status": "failed"}])
        self.daemon.track("soon")
        began = time.monotonic()
        page = self.daemon.api("GET", "/v1/events?wait=20s").json
        self.assertEqual(page["events"][0]["type"], "transaction.failed")
        self.assertLess(time.monotonic() - began, 3 + SLACK)

    def test_streams_resume_where_they_were(self):
        self.settle("s1", "s2")
        now = Stream(self.daemon)
        self.assertEqual(now.reply.status, 200)
        self.assertTrue(now.reply.headers["Content-Type"].startswith("text/event-stream"))
        everything = Stream(self.daemon, "/v1/events?after=0")
        wait_until(lambda: len(everything.events) == 2, 5, "what was there")
        self.settle("s3")
        wait_until(lambda: len(everything.events) == 3 and len(now.events) == 1, 5, "the new one")
        self.assertEqual(now.events[0][0], 3)
        self.assertEqual([seq for seq, _ in everything.events], [1, 2, 3])
        self.assertEqual(everything.events[2][1]["data"]["merchant_transaction_id"], "s3")
        everything.close()
        resumed = Stream(self.daemon, headers={"Last-Event-ID": "1"})
        wait_until(lambda: len(resumed.events) == 2, 5, "the rest")
        self.assertEqual([seq for seq, _ in resumed.events], [2, 3])
        beyond = self.daemon.api("GET", "/v1/events", headers={"Accept": "text/event-stream", "Last-Event-ID": "99"})
        self.assert_problem(beyond, 410, "cursor_gone")
        for stream in (now, resumed):
            stream.close()

    def test_a_stream_is_kept_alive_by_comments(self):
        stream = Stream(self.daemon)
        wait_until(lambda: stream.comments >= 1, 17, "a comment every 15 s")
        stream.close()

    def test_line_breaks_in_proofs_reply_do_not_break_the_stream(self):
        self.sandbox.set("lines", body='{\r\n"merchant_transaction_id":"lines",\n"status":"completed"\r}')
        stream = Stream(self.daemon, "/v1/events?after=0")
        self.daemon.track("lines")
        wait_until(lambda: stream.events, 10, "the event")
        self.assertEqual(stream.events[0][1]["data"]["proof"]["status"], "completed")
        stream.close()

    def test_consumers_keep_their_place(self):
        self.settle("c1", "c2")
        put = self.daemon.api("PUT", "/v1/consumers/ledger", {"seq": 0})
        self.assertEqual(put.status, 201, put)
        self.assertEqual(self.daemon.api("PUT", "/v1/consumers/ledger", {}).status, 200)
        self.assertEqual(self.daemon.api("PUT", "/v1/consumers/late").status, 201)

        def consumers():
            return {c["name"]: c for c in self.daemon.api("GET", "/v1/consumers").json["consumers"]}
        self.assertEqual((consumers()["ledger"]["seq"], consumers()["ledger"]["lag"]), (0, 2))
        self.assertEqual((consumers()["late"]["seq"], consumers()["late"]["lag"]), (2, 0))
        self.assertEqual(self.daemon.api("POST", "/v1/consumers/ledger/ack", {"seq": 2}).status, 200)
        self.assertEqual(self.daemon.api("POST", "/v1/consumers/ledger/ack", {"seq": 1}).status, 200)
        self.assertEqual(consumers()["ledger"]["seq"], 2, "forward only")
        self.assert_problem(self.daemon.api("POST", "/v1/consumers/ledger/ack", {"seq": 3}), 400, "invalid_request")
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(consumers()["ledger"]["seq"], 2)
        self.assertIn(self.daemon.api("DELETE", "/v1/consumers/ledger").status, (200, 204))
        self.assertNotIn("ledger", consumers())

    def test_seq_and_log_id_survive_a_crash(self):
        self.settle("k1")
        before = self.daemon.api("GET", "/v1/events").json
        self.daemon.kill()
        self.daemon.start()
        self.settle("k2")
        after = self.daemon.api("GET", "/v1/events").json
        self.assertEqual(after["log_id"], before["log_id"])
        self.assertEqual(after["events"][0], before["events"][0])
        self.assertEqual([e["seq"] for e in after["events"]], [1, 2])

    def test_many_waiters_cost_nothing_and_all_are_answered(self):
        self.daemon.config["api"]["max_clients"] = 300
        self.daemon.stop()
        self.daemon.start()
        streams = [Stream(self.daemon) for _ in range(100)]
        self.settle("all")
        wait_until(lambda: all(s.events for s in streams), 10, "every stream")
        for stream in streams:
            stream.close()

    def test_a_reader_that_takes_nothing_is_closed(self):
        client = socket.socket(socket.AF_UNIX)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(self.daemon.socket)
        client.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
        client.settimeout(5)
        self.assertTrue(client.recv(64).startswith(b"HTTP/1.1 200"))
        count = 2400  # 1024 more than the socket holds: more than 600 of them, when they come in large writes
        identifiers = [f"b{n}" for n in range(count)]
        self.sandbox.set_many({identifier: "completed" for identifier in identifiers})
        self.daemon.import_ids(identifiers)
        wait_until(lambda: self.daemon.status()["events"]["last_seq"] >= count, 90, "all events")
        time.sleep(1)
        client.settimeout(40)
        received = 0
        while True:
            piece = client.recv(1 << 16)
            if not piece:
                break
            received += len(piece)
            self.assertLess(received, count * 300, "it was closed before it got everything")


if __name__ == "__main__":
    unittest.main()
