#!/usr/bin/env python3
"""kill -9 under load: what was acknowledged is never lost, what ended has one event and one id, and it was told at
least once.

Thousands of kills, about one a second:

    PROOFTRACK_KILLS=1000 PROOFTRACK_BIN=.build/release python3 -B tests/system/crash_test.py Crash

The seed is printed; PROOFTRACK_SEED repeats the moments of the kills and what ends when.
"""

import collections
import http.client
import json
import os
import random
import threading
import time
import unittest

from harness import SystemCase, wait_until

KILLS = int(os.environ.get("PROOFTRACK_KILLS", "50"))
SEED = int(os.environ.get("PROOFTRACK_SEED", str(int(time.time()))))


class Load(threading.Thread):
    """Adds ids as fast as the daemon takes them and remembers the acknowledged ones; the daemon may vanish at any
    moment."""

    def __init__(self, daemon, prefix):
        super().__init__(daemon=True)
        self.target, self.prefix = daemon, prefix
        self.acknowledged, self.sent, self.stopped = [], 0, False

    def run(self):
        while not self.stopped:
            identifier = f"{self.prefix}-{self.sent}"
            self.sent += 1
            try:
                if self.sent % 10 == 0:
                    batch = [f"{identifier}-{n}" for n in range(20)]
                    self.target.import_ids(batch)
                    self.acknowledged += batch
                else:
                    self.target.track(identifier)
                    self.acknowledged.append(identifier)
            except Exception:  # noqa: BLE001: a crash shows in many ways, and none of them is an acknowledgement
                time.sleep(0.02)
            time.sleep(0.03)


class CursorReader(threading.Thread):
    """Reads the log by cursor, as a merchant would who keeps his own."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.target = daemon
        self.after, self.seen, self.stopped, self.trouble = 0, {}, False, []

    def run(self):
        while not self.stopped:
            try:
                reply = self.target.api("GET", f"/v1/events?after={self.after}&limit=500&wait=300ms", timeout=5)
            except Exception:  # noqa: BLE001
                time.sleep(0.02)
                continue
            if reply.status != 200:
                self.trouble.append(repr(reply))
                continue
            for event in reply.json["events"]:
                if event["seq"] != self.after + 1:
                    self.trouble.append(f"{event['seq']} came after {self.after}")
                self.after = event["seq"]
                self.seen[event["seq"]] = event


class StreamReader(threading.Thread):
    """Follows the server-sent events and resumes each broken stream behind the last event it has."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.target = daemon
        self.after, self.seen, self.stopped, self.trouble = 0, {}, False, []

    def run(self):
        while not self.stopped:
            connection = self.target.connection(timeout=5)
            try:
                connection.request("GET", f"/v1/events?after={self.after}", headers={"Accept": "text/event-stream"})
                self.follow(connection.getresponse())
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            finally:
                connection.close()

    def follow(self, reply):
        if reply.status != 200:
            self.trouble.append(f"status {reply.status}")
            return
        number, data = None, None
        while not self.stopped:
            line = reply.readline()
            if not line.endswith(b"\n"):
                return
            if line.startswith(b"id:"):
                number = int(line[3:])
            elif line.startswith(b"data:"):
                data = line[5:]
            elif line == b"\n" and data is not None:
                if number != self.after + 1:
                    self.trouble.append(f"{number} came after {self.after}")
                self.after = number
                self.seen[number] = json.loads(data)
                data = None


class Crash(SystemCase):
    interval = ["500ms", "1s"]

    def test_killed_again_and_again(self):
        print(f"seed {SEED}, {KILLS} kills")
        chance = random.Random(SEED)
        self.start_sandbox("--accept-any")
        receiver = self.start_receiver()
        refused = []

        def answer(delivery):
            if random.random() < 0.1:
                refused.append(delivery.event_id)
                return 500
            return 204
        receiver.answer = answer
        self.start_daemon([self.callback(receiver, retry_schedule=["200ms"] * 30)], log={"level": "info"})
        loads = [Load(self.daemon, f"load{n}") for n in range(2)]
        readers = [CursorReader(self.daemon), StreamReader(self.daemon)]
        for thread in [*loads, *readers]:
            thread.start()
        ended, open_ids, taken = {}, [], {load: 0 for load in loads}

        def end_some():
            # As many end as come, so that thousands of kills meet the same load.
            for load in loads:
                new = load.acknowledged[taken[load]:]
                taken[load] += len(new)
                open_ids.extend(new)
            chance.shuffle(open_ids)
            ending = {open_ids.pop(): chance.choice(["completed", "failed", "cancelled"])
                      for _ in range(max(0, len(open_ids) - 150))}
            ended.update(ending)
            self.sandbox.set_many(ending)

        began = time.time()
        for cycle in range(KILLS):
            end_some()
            time.sleep(chance.uniform(0.05, 0.8))
            self.daemon.kill()
            self.daemon.start()
            if cycle % 20 == 19:
                self.sandbox.clear_log()
        print(f"{KILLS} kills in {time.time() - began:.0f} s")
        for load in loads:
            load.stopped = True
            load.join(60)
        end_some()
        acknowledged = [i for load in loads for i in load.acknowledged]
        self.assertGreater(len(acknowledged), 20)
        restarted = time.time()
        self.sandbox.clear_log()
        self.daemon.kill()
        self.daemon.start()
        # 1. Nothing that was acknowledged is forgotten, and all that is open is asked again.
        wait_until(lambda: set(open_ids) <= {e["path"].rsplit("/", 1)[1] for e in self.sandbox.log()}, 10,
                   "every open id asked again")
        print(f"{len(acknowledged)} acknowledged, {len(open_ids)} open all asked {time.time() - restarted:.1f} s "
              f"after the last kill")
        wait_until(lambda: self.daemon.status()["transactions"]["by_state"].get("settled") == len(ended), 20,
                   "every end recorded")
        listed = {t["merchant_transaction_id"]: t for t in self.daemon.all_transactions()}
        self.assertLessEqual(set(acknowledged), set(listed), "forgotten")
        # 2. One event with one id for each end.
        self.assertEqual({i: listed[i]["status"] for i in ended}, ended)
        events = self.daemon.events()
        self.assertEqual([e["seq"] for e in events], list(range(1, len(events) + 1)))
        self.assertEqual(len({e["id"] for e in events}), len(events))
        ends = collections.Counter(e["data"]["merchant_transaction_id"] for e in events if e["data"]["final"])
        self.assertEqual(set(ends), set(ended))
        self.assertEqual(set(ends.values()), {1})
        # 3. Each was told at least once, always with the same bytes under the same id.
        wait_until(lambda: {e["id"] for e in events} <= {d.event_id for d in receiver.deliveries}, 60,
                   "every event told")
        bodies = collections.defaultdict(set)
        for delivery in receiver.deliveries:
            self.assertTrue(delivery.verified)
            bodies[delivery.event_id].add(delivery.body)
        self.assertEqual({len(b) for b in bodies.values()}, {1})
        self.assertEqual(set(bodies), {e["id"] for e in events}, "nothing was told that is not in the log")
        by_id = {e["id"]: e for e in events}
        for event_id, (body,) in bodies.items():
            logged = dict(by_id[event_id])
            logged.pop("seq")
            self.assertEqual(json.loads(body), logged)
        # Both readers missed none and saw none change.
        wait_until(lambda: all(reader.after == len(events) for reader in readers), 20, "the readers at the end")
        for reader in readers:
            reader.stopped = True
            self.assertEqual(reader.trouble, [])
            self.assertEqual([reader.seen[n] for n in range(1, len(events) + 1)], events)
        unacknowledged = len(listed) - len(acknowledged)
        print(f"{len(acknowledged)} adds acknowledged (and {unacknowledged} taken without an answer), {len(ended)} "
              f"ends, {len(events)} events, "
              f"{len(readers[0].seen)} read by cursor, {len(readers[1].seen)} by stream, {len(receiver.deliveries)} "
              f"deliveries received of {len(bodies)} events: "
              f"0 lost, 0 second ids, {len(receiver.deliveries) - len(bodies)} repeats with the same id, "
              f"{len(refused)} of them because it was refused")


class RestartSpread(SystemCase):
    interval = ["2s", "4s"]

    def test_due_polls_are_spread_after_a_restart(self):
        self.start_sandbox("--accept-any")
        self.start_daemon([])
        count = 600
        self.daemon.import_ids([f"r{n}" for n in range(count)])
        wait_until(lambda: len({e["path"] for e in self.sandbox.log()}) == count, 15, "all asked")
        self.daemon.kill()
        time.sleep(4)
        self.sandbox.clear_log()
        self.daemon.start()
        wait_until(lambda: len({e["path"] for e in self.sandbox.log()}) == count, 10, "all asked again")
        first = {}
        for entry in self.sandbox.log():
            first.setdefault(entry["path"], entry["at"])
        tenths = collections.Counter(at[:21] for at in first.values())
        self.assertLess(max(tenths.values()), count * 0.2, f"a herd: {sorted(tenths.items())}")


if __name__ == "__main__":
    unittest.main()
