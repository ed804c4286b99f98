#!/usr/bin/env python3
"""Two daemons whose store.url names a PostgreSQL and its streaming standby, when the standby takes over: after its
primary was killed or stopped, with everything or without the last of it. Skipped without PostgreSQL's programs."""

import http.client
import signal
import threading
import time
import unittest

from cluster_harness import TAKE_OVER, Cluster
from harness import SLACK, wait_until
from postgres_server import MISSING, PROGRAMS, PostgresServer, free_port

NAMES = ("a", "b")
LONGEST = 1.0  # of the band in which each id is polled


class OnTwoServers(Cluster):
    def __init__(self, primary, standby):
        super().__init__(primary, "failover", NAMES, ("500ms", "1s"), relayed=False, standby=standby)

    def whole_log(self, ends):
        """The same on both nodes, with so many ends: either hears of the other's events a moment later."""
        def same():
            logs = [self[name].events() for name in NAMES]
            is_whole = logs[0] == logs[1] and sum(event["data"]["final"] for event in logs[0]) >= ends
            return logs[0] if is_whole else None
        return wait_until(same, 2 + SLACK, f"a log with {ends} ends on both nodes")

    def log_ids(self):
        return {self[name].api("GET", "/v1/events").json["log_id"] for name in NAMES}


class Load(threading.Thread):
    """Adds one id after the other by a node, of which every second one ends at once, and reads the log of events."""

    def __init__(self, cluster, name):
        super().__init__(daemon=True)
        self.cluster, self.name, self.node = cluster, name, cluster[name]
        self.added, self.ended, self.log = [], [], []  # what was acknowledged, and what was read
        self.odd = []
        self.halted = threading.Event()
        self.start()

    def run(self):
        number = 0
        while not self.halted.wait(0.04):
            one = f"{self.name}-{number}"
            try:
                reply = self.node.api("POST", "/v1/transactions", {"merchant_transaction_id": one})
                read = self.node.api("GET", "/v1/events?after=0&limit=1000")
            except (OSError, http.client.HTTPException) as error:
                self.odd.append(error)
                return
            if read.status == 200:
                self.log = read.json["events"]
            if reply.status == 503:
                continue  # and is tried again
            if reply.status not in (200, 201):
                self.odd.append(reply)
                return
            self.added.append(one)
            if number % 2:
                self.cluster.settle([one])
                self.ended.append(one)
            number += 1

    def end(self):
        self.halted.set()
        self.join(40)


@unittest.skipUnless(PROGRAMS, MISSING)
class Failover(unittest.TestCase):
    def setUp(self):
        self.primary = PostgresServer(free_port())
        self.addCleanup(self.primary.remove)
        self.primary.start()
        self.standby = PostgresServer(free_port(), primary=self.primary)
        self.addCleanup(self.standby.remove)
        self.standby.start()
        self.wait_followed("async")
        self.cluster = OnTwoServers(self.primary, self.standby)
        self.addCleanup(self.cluster.close)
        self.addCleanup(self.tell)

    def tell(self):
        result = getattr(getattr(self, "_outcome", None), "result", None)
        if any(case is self for case, _ in getattr(result, "errors", []) + getattr(result, "failures", [])):
            for name, node in self.cluster.nodes.items():
                log = node.process.output()[-3000:] if node.process else "it did not run"
                print(f"--- the log of {name} ({self.id()})\n{log}")

    def wait_followed(self, how):
        wait_until(lambda: self.primary.sql("SELECT state, sync_state FROM pg_stat_replication") == f"streaming|{how}",
                   20, f"a standby that is {how}")

    def begin_load(self):
        self.cluster.start()
        self.log_ids = self.cluster.log_ids()
        self.assertEqual(len(self.log_ids), 1)
        self.loads = [Load(self.cluster, name) for name in NAMES]
        for load in self.loads:
            self.addCleanup(load.end)
        self.wait_added(12)
        wait_until(lambda: len(self.cluster.receiver.events()) > 5, 10, "callbacks")

    def wait_added(self, more, timeout=10):
        """Until each node has acknowledged so many more."""
        before = [len(load.added) for load in self.loads]
        wait_until(lambda: any(load.odd for load in self.loads) or all(
            len(load.added) >= count + more for load, count in zip(self.loads, before)), timeout + 2 * SLACK,
            "both nodes acknowledge")
        self.assertEqual([load.odd for load in self.loads], [[], []])

    def take_over(self):
        """The standby becomes the primary, after both nodes have noticed. A call whose COMMIT was under way waits."""
        wait_until(lambda: all(self.cluster[name].logged("store.error") for name in NAMES), 15, "an outage for both")
        self.standby.promote()
        self.cluster.server = self.standby

    def assert_nothing_lost(self):
        """Under the load, which goes on by itself and is ended here."""
        self.wait_added(12, TAKE_OVER)
        for load in self.loads:
            load.end()
            self.assertEqual(load.odd, [])
        added = {one for load in self.loads for one in load.added}
        ended = [one for load in self.loads for one in load.ended]
        wait_until(lambda: all(self.cluster.receiver.of(one) for one in ended), TAKE_OVER + LONGEST + SLACK,
                   "the callbacks of all that ended")
        began = time.monotonic()
        wait_until(lambda: added - set(ended) <= set(self.cluster.proof.polled_by(began)), TAKE_OVER + SLACK,
                   "polls of all that did not end")
        for name in NAMES:
            self.assertEqual({one["merchant_transaction_id"] for one in self.cluster[name].all_transactions()}, added)
        self.assertEqual(int(self.cluster.rows("SELECT sum(number) FROM transaction_counts")), len(added))

        log = self.cluster.whole_log(len(ended))
        self.assertEqual([event["seq"] for event in log], list(range(1, len(log) + 1)), "no gap")
        self.assertEqual(sorted(event["data"]["merchant_transaction_id"] for event in log if event["data"]["final"]),
                         sorted(ended), "each end is told once")
        told = {event["id"]: event for event in log}
        self.assertEqual(len(told), len(log))
        for delivery in self.cluster.receiver.events():  # of before and after
            event = dict(told[delivery.event_id])
            del event["seq"]
            self.assertEqual(delivery.event, event)
        for load in self.loads:
            self.assertTrue(load.log)
            self.assertEqual(log[:len(load.log)], load.log, "what was read once stays")

        self.assertEqual(self.cluster.log_ids(), self.log_ids)
        for name in NAMES:
            node = self.cluster[name]
            self.assertTrue(node.process.alive())
            self.assertFalse(node.logged("store.rewound"))
            self.assertTrue(node.logged("store.recovered"))
            (told,) = node.logged("store.failed_over")
            self.assertEqual((told["level"], told["former_timeline"], told["timeline"]), ("notice", 1, 2))
        self.assertEqual(self.standby.sql("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"), "00000002",
                         "the second timeline")
        self.cluster.wait_shared()

    def test_a_synchronous_standby_has_everything_when_the_primary_is_killed(self):
        self.primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.sql("SELECT pg_reload_conf()")
        self.wait_followed("sync")
        self.begin_load()
        self.primary.kill()
        self.take_over()
        self.assert_nothing_lost()

    def test_a_standby_that_takes_over_from_a_stopped_primary_changes_nothing(self):
        self.begin_load()
        self.primary.stop(signal.SIGINT)  # which sends the standby all that it has
        self.take_over()
        self.assert_nothing_lost()

    def cut_off_standby(self):
        self.standby.sql(f"ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={free_port()}'")
        self.standby.sql("SELECT pg_reload_conf()")
        wait_until(lambda: not self.primary.sql("SELECT pid FROM pg_stat_replication"), 20, "nobody follows")

    def wait_delivered(self, identifiers, times=1):
        wait_until(lambda: all(len(self.cluster.receiver.of(one)) == times for one in identifiers),
                   TAKE_OVER + LONGEST + SLACK, f"{times} callbacks of each")

    def test_a_lost_tail_is_noticed_and_the_nodes_go_on_with_what_is_there(self):
        cluster = self.cluster.start()
        (log_id,) = cluster.log_ids()
        kept = [f"kept-{number}" for number in range(12)]
        cluster["a"].import_ids(kept)
        cluster.settle(kept[:4])
        self.wait_delivered(kept[:4])
        before = cluster.whole_log(4)
        wait_until(lambda: self.standby.sql("SELECT count(*) FROM events", cluster.database) == str(len(before)), 10,
                   "the events on the standby")

        self.cut_off_standby()
        lost = {name: [f"lost-{name}-{number}" for number in range(3)] for name in NAMES}
        for name in NAMES:
            for one in lost[name]:
                cluster[name].track(one)
        cluster.settle(kept[4:8] + lost["a"][:1] + lost["b"][:1])
        self.wait_delivered(kept[4:8] + lost["a"][:1] + lost["b"][:1])
        cluster.whole_log(10)
        self.primary.kill()
        self.standby.promote()
        cluster.server = self.standby

        for name in NAMES:
            node = cluster[name]
            self.assertEqual(node.process.wait(30), 74, node.process.output()[-3000:])
            (said,) = node.logged("store.rewound")
            self.assertEqual(said["level"], "critical")
            self.assertIn("set back to an earlier state", said["error"])
            self.assertFalse(node.logged("store.failed_over"), "it is not as before")
        cluster.start()
        (new_log_id,) = cluster.log_ids()
        self.assertNotEqual(new_log_id, log_id)
        for name in NAMES:
            self.assertEqual({one["merchant_transaction_id"] for one in cluster[name].all_transactions()}, set(kept))
            self.assertEqual(cluster[name].events()[:len(before)], before)
        self.wait_delivered(kept[4:8], 2)  # Proof is asked again, and what it says is told again
        for one in kept[4:8]:
            first, second = cluster.receiver.of(one)
            self.assertNotEqual(first.event_id, second.event_id, "it is another event, of another log")
        self.wait_delivered(kept[:4])
        cluster["a"].import_ids(lost["b"])
        cluster["b"].import_ids(lost["a"])
        cluster.settle(kept[8:] + lost["a"] + lost["b"])
        again = [lost["a"][0], lost["b"][0]]
        self.wait_delivered(again, 2)
        self.wait_delivered(kept[8:] + lost["a"][1:] + lost["b"][1:])
        log = cluster.whole_log(len(kept) + 6)
        self.assertEqual([event["seq"] for event in log], list(range(1, len(log) + 1)))
        self.assertEqual(sorted(event["data"]["merchant_transaction_id"] for event in log if event["data"]["final"]),
                         sorted(kept + lost["a"] + lost["b"]))
        self.assertEqual(cluster.log_ids(), {new_log_id})
        for name in NAMES:
            self.assertTrue(cluster[name].process.alive())
            self.assertEqual(len(cluster[name].logged("store.rewound")), 1, "of the former life")

    def test_a_lost_tail_is_noticed_although_others_have_committed_more_since(self):
        cluster = self.cluster.start()
        (log_id,) = cluster.log_ids()
        kept = [f"kept-{number}" for number in range(12)]
        cluster["a"].import_ids(kept)
        polled = "SELECT count(*) FROM v_transactions WHERE status = 'pending'"  # nothing more is a's to commit
        wait_until(lambda: self.standby.sql(polled, cluster.database) == "12", 10, "the ids on the standby")
        self.cut_off_standby()
        owners = cluster.owners(kept, "a")
        of_b = [one for one in kept if owners[one] == "b"][:2]
        self.assertEqual(len(of_b), 2)
        cluster.settle(of_b)
        self.wait_delivered(of_b)
        lost = [event["id"] for event in cluster.whole_log(2) if event["data"]["final"]]  # a has read them
        batch = int(cluster.rows("SELECT batch FROM prooftrackd"))
        by_a = cluster.rows("SELECT batch FROM writers WHERE node = 'a'")
        cluster["a"].process.signal(signal.SIGSTOP)
        try:
            cluster["b"].kill()
            self.primary.kill()
            self.standby.promote()
            cluster.server = self.standby
            self.assertLess(int(cluster.rows("SELECT batch FROM prooftrackd")), batch)
            self.assertEqual(cluster.rows("SELECT batch FROM writers WHERE node = 'a'"), by_a, "a has lost none")
            cluster["b"].start()  # which remembers nothing
            more = [f"more-{number}" for number in range(40)]
            for one in more:
                cluster["b"].track(one)
            cluster.settle(more[:4])
            self.wait_delivered(more[:4])
            self.wait_delivered(of_b, 2)
            self.assertGreater(int(cluster.rows("SELECT batch FROM prooftrackd")), batch)
            self.assertEqual(cluster["b"].api("GET", "/v1/events").json["log_id"], log_id, "nobody knows it yet")
        finally:
            cluster["a"].process.signal(signal.SIGCONT)
        for name in NAMES:
            node = cluster[name]
            self.assertEqual(node.process.wait(30), 74, node.process.output()[-3000:])
            self.assertEqual(len(node.logged("store.rewound")), 1, name)
        self.assertIn("as this node knows it is not there", cluster["a"].logged("store.rewound")[0]["error"])
        self.assertIn("another node has found it", cluster["b"].logged("store.rewound")[0]["error"])
        cluster.start()
        (new_log_id,) = cluster.log_ids()
        self.assertNotEqual(new_log_id, log_id)
        log = cluster.whole_log(2 + 4)
        self.assertFalse(set(lost) & {event["id"] for event in log})
        self.assertEqual([event["seq"] for event in log], list(range(1, len(log) + 1)))
        for name in NAMES:
            self.assertEqual({one["merchant_transaction_id"] for one in cluster[name].all_transactions()},
                             set(kept + more))


if __name__ == "__main__":
    unittest.main()
