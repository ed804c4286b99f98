#!/usr/bin/env python3
"""The rhythm of polling, measured at Proof: every start-to-start gap lies in the configured band, and no id is asked
twice at once.

The optimised build is used when tests/run made one (sanitizers are five times slower). PROOFTRACK_CADENCE="10000 60"
gives the number of ids and the seconds; as a test it runs with fewer. """

import collections
import os
import time
import unittest

RELEASE = os.environ.get("PROOFTRACK_RELEASE_BIN")
if RELEASE and os.path.exists(os.path.join(RELEASE, "daemon", "prooftrackd")):
    os.environ["PROOFTRACK_BIN"] = RELEASE

from harness import SANITIZED, SystemCase, parse_time, wait_until  # noqa: E402

COUNT, SECONDS = (int(n) for n in os.environ.get("PROOFTRACK_CADENCE", "2000 24").split())
# The 50 ms of lateness that the benchmarks aim at are for a machine that is ours alone; the tests share theirs.
LATE = float(os.environ.get("PROOFTRACK_LATE", "0.5" if SANITIZED else "0.15"))


def gaps_of(log):
    by_id = collections.defaultdict(list)
    for entry in log:
        by_id[entry["path"]].append(parse_time(entry["at"]))
    return by_id, [b - a for times in by_id.values() for a, b in zip(times, times[1:])]


class Cadence(SystemCase):
    interval = ["5s", "10s"]

    def test_gaps_lie_in_the_default_band(self):
        self.start_sandbox("--accept-any")
        self.start_daemon([], log={"level": "info"})
        for start in range(0, COUNT, 5000):
            self.daemon.import_ids([f"00000000-0000-4000-8000-{n:012}" for n in range(start, min(start + 5000, COUNT))])
        began = time.monotonic()
        time.sleep(SECONDS)
        memory = self.daemon.process.memory_kib()
        with open(f"/proc/{self.daemon.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        by_id, gaps = gaps_of(self.sandbox.log("/widget/transactions/"))
        self.assertEqual(len(by_id), COUNT, "everybody was asked")
        self.assertGreater(len(gaps), COUNT)
        early = [g for g in gaps if g < 5 - 0.01]
        late = [g for g in gaps if g > 10 + LATE]
        print(f"{COUNT} ids, {len(gaps)} gaps: least {min(gaps):.3f} s, most {max(gaps):.3f} s, over 10.05 s "
              f"{sum(g > 10.05 for g in gaps)}; RSS {memory / 1024:.1f} MiB, "
              f"CPU {cpu / (time.monotonic() - began) * 100:.1f} % of a core")
        self.assertEqual(early, [], "asked too early")
        self.assertEqual(late, [], "asked too late")
        mean = sum(gaps) / len(gaps)
        self.assertTrue(7.0 < mean < 8.0, f"drawn evenly from the band: mean {mean}")

    def test_one_request_in_flight_per_id(self):
        self.start_sandbox("--accept-any")
        # Answers come later than the next poll would be due.
        self.sandbox.fault("delay", delay="900ms")
        self.start_daemon([], poll={"interval": ["200ms", "300ms"]})
        self.daemon.import_ids([f"slow{n}" for n in range(20)])
        time.sleep(5)
        by_id, gaps = gaps_of(self.sandbox.log())
        self.assertEqual(len(by_id), 20)
        self.assertGreaterEqual(min(gaps), 0.88, "asked again before the answer")

    def test_max_rate_is_obeyed_and_nobody_starves(self):
        self.start_sandbox("--accept-any")
        self.start_daemon([], poll={"interval": ["1s", "2s"], "max_rate": 100})
        self.daemon.wait_joined()
        self.daemon.import_ids([f"m{n}" for n in range(400)])
        time.sleep(13)
        log = self.sandbox.log()
        by_id, gaps = gaps_of(log)
        self.assertEqual(len(by_id), 400)
        per_second = collections.Counter(e["at"][:19] for e in log)
        self.assertLessEqual(max(per_second.values()), 115, per_second)
        self.assertGreaterEqual(sorted(per_second.values())[len(per_second) // 2], 85, per_second)
        counts = [len(times) for times in by_id.values()]
        self.assertLessEqual(max(counts) - min(counts), 1, "longest due first: gaps stretch evenly")
        wait_until(lambda: self.daemon.logged("poll.behind"), 10, "poll.behind")

    def test_connections_are_kept_and_tls_sessions_resumed(self):
        self.start_sandbox("--accept-any")
        self.start_daemon([], poll={"interval": ["100ms", "200ms"]}, proof={"connections": 4})
        self.daemon.import_ids([f"k{n}" for n in range(50)])
        time.sleep(4)
        stats = self.sandbox.control("GET", "stats").json
        self.assertGreater(stats["requests"], 500)
        self.assertLessEqual(stats["most_connections"], 4 + 2)
        self.assertLess(stats["handshakes"], 40, stats)
        for _ in range(8):
            self.sandbox.fault("close", at="after", count=1)
            time.sleep(0.3)
        stats = self.sandbox.control("GET", "stats").json
        self.assertGreaterEqual(stats["resumed"], 3, stats)

    def test_answers_of_a_shared_connection_belong_to_their_ids(self):
        self.start_sandbox()
        self.sandbox.set_many({f"p{n}": ["completed", "failed", "cancelled"][n % 3] for n in range(300)})
        self.start_daemon([], poll={"interval": ["200ms", "300ms"]}, proof={"connections": 2})
        self.daemon.import_ids([f"p{n}" for n in range(300)])
        wait_until(lambda: self.daemon.status()["transactions"]["by_state"].get("settled") == 300, 20, "all settled")
        for n in range(300):
            self.assertEqual(self.daemon.get(f"p{n}")["status"], ["completed", "failed", "cancelled"][n % 3])


if __name__ == "__main__":
    unittest.main()
