#!/usr/bin/env python3
"""kill -9 under load: what was acknowledged is never lost, what ended has one event and one id, and it was told at least once.

PROOFTRACK_KILLS=1000 makes a night of it; without it a short round runs.
"""

import collections
import json
import os
import random
import threading
import time
import unittest

from harness import SystemCase, wait_until

KILLS = int(os.environ.get("PROOFTRACK_KILLS", "12"))
SEED = int(os.environ.get("PROOFTRACK_SEED", str(int(time.time()))))


class Load(threading.Thread):
    """Adds ids as fast as the daemon takes them and remembers the acknowledged ones; the daemon may vanish at any moment."""

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


class Crash(SystemCase):
    interval = ["500ms", "1s"]

    def test_killed_again_and_again(self):
        print(f"seed {SEED}, {KILLS} kills")
        chance = random.Random(SEED)
        self.start_sandbox("--accept-any")
        receiver = self.start_receiver()
        receiver.answer = lambda delivery: 500 if chance.random() < 0.1 else 204
        self.start_daemon([self.callback(receiver, retry_schedule=["200ms"] * 30)], log={"level": "info"})
        loads = [Load(self.daemon, f"load{n}") for n in range(2)]
        reader = CursorReader(self.daemon)
        for thread in [*loads, reader]:
            thread.start()
        ended = {}

        def end_some():
            known = [i for load in loads for i in load.acknowledged if i not in ended]
            for identifier in chance.sample(known, min(len(known), 40)):
                ended[identifier] = chance.choice(["completed", "failed", "cancelled"])
                self.sandbox.set(identifier, status=ended[identifier])

        for _ in range(KILLS):
            end_some()
            time.sleep(chance.uniform(0.05, 0.8))
            self.daemon.kill()
            self.daemon.start()
        end_some()
        for load in loads:
            load.stopped = True
            load.join(60)
        acknowledged = [i for load in loads for i in load.acknowledged]
        self.assertGreater(len(acknowledged), 20)
        restarted = time.time()
        self.sandbox.clear_log()
        self.daemon.kill()
        self.daemon.start()
        # 1. Nothing that was acknowledged is forgotten, and all that is open is asked again.
        open_ids = {i for i in acknowledged if i not in ended}
        wait_until(lambda: open_ids <= {e["path"].rsplit("/", 1)[1] for e in self.sandbox.log()}, 10, "every open id asked again")
        print(f"{len(acknowledged)} acknowledged, {len(open_ids)} open all asked {time.time() - restarted:.1f} s after the last kill")
        listed = {t["merchant_transaction_id"] for t in self.daemon.all_transactions()}
        self.assertLessEqual(set(acknowledged), listed, "forgotten")
        # 2. One event with one id for each end.
        for identifier, status in ended.items():
            self.assertEqual(self.daemon.wait_state(identifier, "settled", 20)["status"], status)
        events = self.daemon.events()
        self.assertEqual([e["seq"] for e in events], list(range(1, len(events) + 1)))
        self.assertEqual(len({e["id"] for e in events}), len(events))
        ends = collections.Counter(e["data"]["merchant_transaction_id"] for e in events if e["data"]["final"])
        self.assertEqual(set(ends), set(ended))
        self.assertEqual(set(ends.values()), {1})
        # 3. Each was told at least once, always with the same bytes under the same id.
        wait_until(lambda: {e["id"] for e in events} <= {d.event_id for d in receiver.deliveries}, 60, "every event told")
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
        # The cursor reader missed none and saw none change.
        wait_until(lambda: reader.after == len(events), 20, "the cursor reader at the end")
        reader.stopped = True
        self.assertEqual(reader.trouble, [])
        self.assertEqual([reader.seen[n] for n in range(1, len(events) + 1)], events)
        print(f"{len(events)} events, {len(receiver.deliveries)} deliveries received, 0 lost, "
              f"{len(receiver.deliveries) - len(bodies)} repeats with the same id")


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
