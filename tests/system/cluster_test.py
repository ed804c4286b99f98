#!/usr/bin/env python3
"""Three daemons on one PostgreSQL: what any of them answers, and what becomes of ids, events and callbacks when one is
killed, paused, cut off or stopped. Skipped without PostgreSQL's programs."""

import json
import signal
import threading
import time
import unittest

from cluster_harness import NAMES, SHARDS, TAKE_OVER, ClusterCase, Stream
from harness import SLACK, parse_time, wait_until

LONGEST = 2.0  # of the band in which each id is polled
ORDER = {"partner_user_id": "user_17", "user_email": "ada@shop.example", "currency": "USDT", "fiat_currency": "EUR",
         "fiat_amount": "49.90"}


class AnyNode(ClusterCase):
    def test_three_nodes_share_shards_and_polls(self):
        ids = self.identifiers(SHARDS)  # whose numbers follow one another: one in each shard
        for name in NAMES:
            cluster = self.cluster[name].status()["cluster"]
            self.assertEqual(cluster["node"], name)
            self.assertEqual([(one["id"], one["state"]) for one in cluster["nodes"]], [(n, "living") for n in NAMES])
            self.assertLessEqual(max(one["seen_seconds_ago"] for one in cluster["nodes"]), 3)
        self.wait_polled(ids, time.monotonic(), timeout=2 * LONGEST)
        began = time.monotonic()
        self.wait_polled(ids, began + 2 * LONGEST, timeout=4 * LONGEST)
        seen = self.cluster.proof.polled_by(began)
        owners = self.cluster.owners(ids, "b")
        self.assertEqual({one: [owners[one]] for one in ids}, {one: list(seen[one]) for one in ids})
        shares = self.cluster.shares("c")
        self.assertEqual({name: sum(owner == name for owner in owners.values()) for name in NAMES}, shares)
        for one in ids:
            (times,) = seen[one].values()
            self.assertGreaterEqual(min(b - a for a, b in zip(times, times[1:])), 0.9, one)

    def test_any_node_takes_reads_changes_and_ends(self):
        ids = [f"any-{n}" for n in range(6)]
        for n, one in enumerate(ids):
            self.cluster["abc"[n % 3]].track(one, metadata={"order": one})
        owners = self.cluster.owners(ids, "a")
        for one in ids:
            shown = [self.cluster[name].get(one) for name in NAMES]
            for other in shown:
                self.assertEqual((other["metadata"], other["state"], other["tracked_at"], other["node"]),
                                 ({"order": one}, "tracking", shown[0]["tracked_at"], owners[one]))
            stranger = next(name for name in NAMES if name != owners[one])
            self.cluster[stranger].track(one, expect=200, metadata={"order": one})
            self.cluster[stranger].track(one, expect=409, metadata={"order": "another"})
            self.api(stranger, "PATCH", f"/v1/transactions/{one}", {"metadata": {"order": one, "by": stranger}})
            self.assertEqual(self.cluster[owners[one]].get(one)["metadata"], {"order": one, "by": stranger})
        self.assertEqual({d["merchant_transaction_id"] for d in self.api("b", "GET", "/v1/transactions?metadata.order="
                                                                         + ids[0])["transactions"]}, {ids[0]})
        waits = {}

        def wait_at(name, one):
            waits[name, one] = self.cluster[name].get(one, wait="20s")["state"], time.monotonic()
        threads = [threading.Thread(target=wait_at, args=(name, ids[0])) for name in NAMES]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        self.cluster.settle(ids[:1])
        for thread in threads:
            thread.join(30)
        self.assertEqual({state for state, _ in waits.values()}, {"settled"})
        self.assertEqual(len(waits), 3)
        self.assertLess(max(at for _, at in waits.values()) - began, LONGEST + 1 + 2 * SLACK)
        self.wait_delivered(ids[:1])
        told = self.cluster.receiver.of(ids[0])[0].event["data"]["metadata"]
        self.assertIn("by", told, "what another node wrote is in the event")

        for name in NAMES:  # a settled one is asked once more, when anybody wants it
            began = time.monotonic()
            self.api(name, "POST", f"/v1/transactions/{ids[0]}/poll", expect=202)
            took = self.wait_polled(ids[:1], began, by=[owners[ids[0]]], timeout=2)
            self.assertLess(took[ids[0]], 1 + 2 * SLACK, name)
            time.sleep(1)  # at most once a second an id

        ended = ids[1]
        stranger = next(name for name in NAMES if name != owners[ended])
        self.assertEqual(self.api(stranger, "DELETE", f"/v1/transactions/{ended}")["state"], "untracked")
        quiet = time.monotonic() + 1
        self.api(owners[ended], "DELETE", f"/v1/transactions/{ended}", expect=409)
        self.wait_polled(ids[2:], quiet + LONGEST, timeout=3 * LONGEST)
        self.assertNotIn(ended, self.cluster.proof.polled_by(quiet))
        self.cluster[stranger].track(ended, metadata={"again": True})
        self.wait_polled([ended], time.monotonic())

    def test_events_are_one_log_for_cursors_streams_and_consumers(self):
        ids = self.identifiers(24)
        self.assertEqual(set(self.cluster.owners(ids, "a").values()), set(NAMES))
        self.api("a", "PUT", "/v1/consumers/books", {}, expect=201)
        streams = {name: Stream(self.cluster[name]) for name in NAMES}
        try:
            self.cluster.settle(ids)
            for name, stream in streams.items():
                wait_until(lambda: {one for _, one in stream.seen} >= set(ids), 10, f"the stream of {name}")
            events = self.assert_log_whole()
            recorded = {event["data"]["merchant_transaction_id"]: parse_time(event["timestamp"]) for event in events}
            late = [at - recorded[one] for stream in streams.values() for at, one in stream.seen if one in ids]
            self.assertLess(max(late), 1 + SLACK, "from the record to the stream of any node")
            self.assertEqual(len(late), 3 * len(ids), "each once")
        finally:
            for stream in streams.values():
                stream.close()
        self.wait_delivered(ids)
        for one in ids:
            self.assertEqual(len(self.cluster.receiver.of(one)), 1)
        lag = self.api("b", "GET", "/v1/consumers")["consumers"][0]
        self.assertEqual((lag["name"], lag["lag"]), ("books", len(ids)))
        self.api("b", "POST", "/v1/consumers/books/ack", {"seq": events[-1]["seq"]})
        for name in NAMES:
            self.assertEqual(self.api(name, "GET", "/v1/consumers")["consumers"][0]["seq"], events[-1]["seq"])
        self.api("c", "DELETE", "/v1/consumers/books")

    def test_a_pause_and_maintenance_hold_everywhere(self):
        ids = self.identifiers(12)
        self.api("a", "POST", "/v1/callbacks/backend/pause")
        wait_until(lambda: all(self.cluster[name].status()["callbacks"][0]["state"] == "paused" for name in NAMES),
                   1 + SLACK, "paused on each node")
        self.cluster.settle(ids)
        for one in ids:
            self.cluster["b"].wait_state(one, "settled", 5)
        self.api("c", "POST", "/v1/callbacks/backend/flush", expect=409)
        self.assertFalse([one for one in ids if self.cluster.receiver.of(one)])
        self.assertEqual(len(self.api("c", "GET", "/v1/deliveries?state=pending&limit=1000")["deliveries"]), 12)
        self.api("b", "POST", "/v1/callbacks/backend/resume")
        self.wait_delivered(ids)

        self.api("b", "PUT", "/v1/maintenance", {"on": True, "note": "the database moves"})
        wait_until(lambda: all(self.cluster[name].status()["maintenance"] for name in NAMES), 1 + SLACK, "everywhere")
        quiet = time.monotonic() + 0.5
        more = [f"kept-{n}" for n in range(12)]
        self.cluster["c"].import_ids(more)
        wait_until(lambda: time.monotonic() > quiet + LONGEST, 5)
        self.assertEqual(self.cluster.proof.polled_by(quiet), {})
        self.api("c", "PUT", "/v1/maintenance", {"on": False})
        self.wait_polled(more, quiet + LONGEST, timeout=2 * LONGEST)

    def test_deliveries_are_made_again_and_dismissed_by_any_node(self):
        ids = self.identifiers(6)
        dead = set(ids[:3])
        self.cluster.receiver.answer = lambda d: 410 if d.event["data"]["merchant_transaction_id"] in dead else 204
        try:
            self.cluster.settle(ids)
            self.wait_delivered(ids)
            found = wait_until(lambda: (lambda rows: rows if len(rows) == 3 else None)(
                self.api("b", "GET", "/v1/deliveries?state=dead")["deliveries"]), 10, "three dead ones")
            dead.clear()
            owners = self.cluster.owners(ids, "c")
            for row in found[:2]:
                stranger = next(name for name in NAMES if name != owners[row["merchant_transaction_id"]])
                self.api(stranger, "POST", f"/v1/deliveries/{row['id']}/retry", expect=202)
            last = found[2]
            stranger = next(name for name in NAMES if name != owners[last["merchant_transaction_id"]])
            self.assertEqual(self.api(stranger, "POST", f"/v1/deliveries/{last['id']}/dismiss")["state"], "dismissed")
            for row in found[:2]:
                wait_until(lambda: len(self.cluster.receiver.of(row["merchant_transaction_id"])) == 2, 5, "again")
            self.assertEqual(self.api("a", "GET", "/v1/deliveries?state=dead")["deliveries"], [])
            for one in ids[3:]:  # delivered ones as well, with the same id and bytes
                (row,) = self.api("a", "GET", f"/v1/deliveries?merchant_transaction_id={one}")["deliveries"]
                stranger = next(name for name in NAMES if name != owners[one])
                self.api(stranger, "POST", f"/v1/deliveries/{row['id']}/retry", expect=202)
                wait_until(lambda: len(self.cluster.receiver.of(one)) == 2, 5, "again")
                first, second = self.cluster.receiver.of(one)
                self.assertEqual((first.event_id, first.body), (second.event_id, second.body))
            seqs = sorted(event["seq"] for event in self.cluster["a"].events()
                          if event["data"]["merchant_transaction_id"] in ids)
            wanted = {"callback": "backend", "only": "all", "after_seq": seqs[0] - 1, "before_seq": seqs[-1] + 1}
            begun = self.api("c", "POST", "/v1/replays", wanted, expect=202)
            self.assertEqual(begun["events"], len(ids))
            times = {one: 2 for one in ids}
            times[last["merchant_transaction_id"]] = 1
            wait_until(lambda: all(len(self.cluster.receiver.of(one)) == times[one] + 1 for one in ids), 15, "replayed")
            wait_until(lambda: all(self.api(name, "GET", "/v1/replays")["replays"][0]["state"] == "done"
                                   for name in NAMES), 10, "the replay is done, as all say")
        finally:
            self.cluster.receiver.answer = lambda delivery: 204

    def test_a_sessions_key_is_known_to_every_node(self):
        key = {"Idempotency-Key": "order-17"}
        first = self.api("a", "POST", "/v1/sessions", ORDER, key, expect=201)
        asked = self.cluster.proof.sessions
        for name in ("b", "c"):
            refused = self.cluster[name].api("POST", "/v1/sessions", ORDER, key)
            self.assertEqual((refused.status, refused.json["code"]), (409, "session_replayed"), refused)
            self.assertEqual(refused.json["merchant_transaction_id"], first["merchant_transaction_id"])
        self.assertEqual(self.cluster.proof.sessions, asked, "Proof was asked once")
        self.assertEqual(self.cluster["c"].get(first["merchant_transaction_id"])["state"], "tracking")
        self.wait_polled([first["merchant_transaction_id"]], time.monotonic())

    def test_many_are_found_listed_and_ended_by_any_node(self):
        ids = [f"group-{n:02}" for n in range(24)]
        self.cluster["a"].import_ids([{"merchant_transaction_id": one, "metadata": {"group": "g"}} for one in ids])
        for name in NAMES:
            found = self.api(name, "GET", "/v1/transactions?metadata.group=g&limit=1000")["transactions"]
            self.assertEqual([one["merchant_transaction_id"] for one in found], ids[::-1], "the newest first")
        self.wait_polled(ids, time.monotonic())
        ended = self.api("c", "POST", "/v1/transactions/untrack", {"filter": {"metadata.group": "g"}})
        self.assertEqual(ended, {"matched": 24, "untracked": 24})
        quiet = time.monotonic() + 1
        for name in NAMES:
            found = self.api(name, "GET", "/v1/transactions?state=untracked&metadata.group=g")["transactions"]
            self.assertEqual(len(found), 24)
        wait_until(lambda: time.monotonic() > quiet + LONGEST, 5)
        self.assertFalse(set(ids) & set(self.cluster.proof.polled_by(quiet)))

    def test_counts_are_the_clusters_on_each_node(self):
        self.identifiers(9)

        def counts(name):
            return self.cluster[name].status()["transactions"]["by_state"]
        wait_until(lambda: counts("a") == counts("b") == counts("c"), 5, "the same counts")
        stored = dict(line.split("|") for line in self.cluster.rows(
            "SELECT state, sum(number) FROM transaction_counts GROUP BY state HAVING sum(number) > 0").split())
        self.assertEqual(sum(map(int, stored.values())), sum(counts("c").values()))


class Traffic(threading.Thread):
    """Ends one id after the other while something happens."""

    def __init__(self, cluster, identifiers, pace=0.1):
        super().__init__(daemon=True)
        self.cluster, self.left, self.pace, self.done = cluster, list(identifiers), pace, []
        self.halted = threading.Event()
        self.start()

    def run(self):
        while self.left and not self.halted.wait(self.pace):
            self.cluster.settle(self.left[:1])
            self.done.append(self.left.pop(0))

    def end(self):
        self.halted.set()
        self.join(10)
        return self.done


class Faults(ClusterCase):
    def setUp(self):
        super().setUp()
        for relay in self.cluster.relays.values():
            relay.thaw()
            relay.down = False
        for name in self.cluster.running():
            self.cluster[name].process.signal(signal.SIGCONT)
        self.cluster.start()

    def settled_all(self, traffic, timeout=TAKE_OVER):
        """What ended is recorded and delivered once it was polled; nothing is told twice under two ids."""
        done = traffic.end()
        self.assertGreater(len(done), 3, "something ended meanwhile")
        self.wait_delivered(done, timeout + LONGEST)
        self.assert_log_whole()
        for one in done:
            self.assertEqual(len({delivery.event_id for delivery in self.cluster.receiver.of(one)}), 1, one)
        return done

    def assert_taken_over(self, lost, ids, at):
        others = [name for name in NAMES if name != lost]
        took = self.wait_polled(ids, at, by=others, timeout=TAKE_OVER)
        self.assertLess(max(took.values()), TAKE_OVER + SLACK)
        self.cluster.wait_shared(others)
        return others

    def test_ids_of_a_killed_node_are_polled_by_the_others(self):
        ids = self.identifiers(90)
        self.wait_polled(ids, time.monotonic())
        owners = self.cluster.owners(ids, "a")
        lost = [one for one in ids[30:] if owners[one] == "b"]
        traffic = Traffic(self.cluster, ids[:30], 0.2)
        self.cluster["b"].kill()
        others = self.assert_taken_over("b", lost, time.monotonic())
        done = self.settled_all(traffic)
        gone = [one for one in self.cluster["a"].status()["cluster"]["nodes"] if one["id"] == "b"]
        self.assertEqual([(one["state"], one["shards"]) for one in gone], [("gone", 0)])
        self.assertTrue(any(self.cluster[name].logged("cluster.taken_over") for name in others))
        for one in done[-5:]:  # which ended long after the kill
            self.assertEqual(len(self.cluster.receiver.of(one)), 1, one)
        self.cluster.start()
        back = time.monotonic()
        self.wait_polled(ids[30:], back)

    def test_a_paused_node_is_fenced_and_joins_again(self):
        ids = self.identifiers(90)
        self.wait_polled(ids, time.monotonic())
        owners = self.cluster.owners(ids, "a")
        lost = [one for one in ids[30:] if owners[one] == "c"]
        before = len(self.places_of("c"))
        traffic = Traffic(self.cluster, ids[:30], 0.2)
        paused = time.monotonic()
        self.cluster["c"].process.signal(signal.SIGSTOP)
        try:
            self.assert_taken_over("c", lost, paused)
            # Ended while it sleeps; what it still has in its memory says "pending".
            self.cluster.settle(lost[:3], "failed")
            for one in lost[:3]:
                self.cluster["a"].wait_state(one, "settled", 2 * LONGEST)
            wait_until(lambda: time.monotonic() > paused + 6, 10)
        finally:
            self.cluster["c"].process.signal(signal.SIGCONT)
        awake = time.monotonic()
        told = wait_until(lambda: (lambda found: found if len(found) > 1 else None)(self.places_of("c")[before:]),
                          10 + SLACK, "it is fenced, and joins")
        self.assertEqual(told, ["cluster.fenced", "cluster.joined"])
        self.cluster.wait_shared()
        self.settled_all(traffic)
        for one in lost[:3]:
            self.assertEqual([self.cluster[name].get(one)["status"] for name in NAMES], ["failed"] * 3)
        self.wait_polled(lost[3:], awake)

    def places_of(self, name):
        """What the node's log says of its own place since its last start, in order."""
        found = []
        for line in self.cluster[name].log_path.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("event") == "daemon.started":
                found = []
            if entry.get("event") in ("cluster.fenced", "cluster.joined") and entry.get("node") == name:
                found.append(entry["event"])
        return found

    def test_a_node_that_is_cut_off_stops_and_comes_back(self):
        ids = self.identifiers(90)
        self.wait_polled(ids, time.monotonic())
        owners = self.cluster.owners(ids, "a")
        lost = [one for one in ids[30:] if owners[one] == "c"]
        traffic = Traffic(self.cluster, ids[:30], 0.2)
        cut = time.monotonic()
        self.cluster.relays["c"].freeze()
        try:
            self.assert_taken_over("c", lost, cut)
            self.assertEqual(self.cluster["c"].api("GET", "/readyz").status, 503)
            polls = self.cluster.proof.polled_by(cut)
            for one in lost:  # it stopped before they began
                stopped = max(polls[one].get("c", [0]))
                began = min(at for name in ("a", "b") for at in polls[one].get(name, [time.monotonic()]))
                self.assertLess(stopped, began, one)
        finally:
            self.cluster.relays["c"].thaw()
        self.cluster.wait_shared(timeout=2 * TAKE_OVER)
        wait_until(lambda: self.cluster["c"].api("GET", "/readyz").status == 200, 10, "ready again")
        self.settled_all(traffic)

    def test_a_node_whose_lease_lives_but_which_cannot_write_is_relieved(self):
        ids = self.identifiers(90)
        self.wait_polled(ids, time.monotonic())
        owners = self.cluster.owners(ids, "a")
        lost = [one for one in ids if owners[one] == "c"]
        self.cluster.relays["c"].down = True  # no new connection: one of its two lives on
        try:
            def has_lost_its_writer():
                self.cluster.rows("SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a, nodes n WHERE "
                                  "id = 'c' AND application_name = 'prooftrackd ' || boot AND query = 'COMMIT'")
                return self.cluster["c"].api("GET", "/readyz").status == 503
            wait_until(has_lost_its_writer, 10, "c is without the connection that writes")
            self.cluster.settle(lost[:3])
            cut = time.monotonic()
            self.assert_taken_over("c", lost[3:], cut)
            self.wait_delivered(lost[:3], 1)
        finally:
            self.cluster.relays["c"].down = False
        self.cluster.wait_shared(timeout=2 * TAKE_OVER)
        self.wait_polled(lost[3:], time.monotonic())
        self.assert_log_whole()

    def test_commits_of_unknown_outcome_and_lost_notices_lose_nothing(self):
        relay, accepted, halted = self.cluster.relays["c"], set(), threading.Event()

        def keep_adding():
            number = 0
            while not halted.wait(0.01):
                number += 1
                reply = self.cluster["c"].api("POST", "/v1/transactions", {"merchant_transaction_id": f"u-{number}"})
                if reply.status == 201:
                    accepted.add(f"u-{number}")
        adding = threading.Thread(target=keep_adding)
        adding.start()
        try:
            for turn, (how, distance) in enumerate((("after", None), ("before", None), ("after", None), (None, 1),
                                                    (None, 777), (None, 4_000))):
                before, cuts = len(accepted), relay.cuts
                relay.at_commit = how
                if distance:
                    relay.cut_after(distance)
                wait_until(lambda: relay.cuts > cuts and len(accepted) > before + 3, 20, f"it goes on after {turn}")
            for other in self.cluster.relays.values():
                other.loses_notices = True
            before = len(accepted)
            wait_until(lambda: len(accepted) > before + 20, 20, "without notices")
        finally:
            halted.set()
            adding.join(30)
        there = set(self.cluster.rows("SELECT id FROM transactions WHERE id LIKE 'u-%'").split())
        self.assertLessEqual(accepted, there, "what was acknowledged is there")
        self.cluster.wait_shared()
        self.wait_polled(accepted, time.monotonic(), timeout=TAKE_OVER)
        some = sorted(accepted)[:20]
        self.cluster.settle(some)
        self.wait_delivered(some, TAKE_OVER)
        for other in self.cluster.relays.values():
            other.loses_notices = False
        self.assert_log_whole()
        counted, rows = self.cluster.rows("SELECT (SELECT sum(number) FROM transaction_counts), "
                                          "(SELECT count(*) FROM transactions)").split("|")
        self.assertEqual(counted, rows)

    def test_a_stopping_node_hands_over_and_a_rolling_restart_misses_no_poll(self):
        ids = self.identifiers(120)
        self.wait_polled(ids, time.monotonic())
        self.wait_polled(ids, time.monotonic())
        traffic = Traffic(self.cluster, ids[:30], 0.5)
        began, steady = time.monotonic(), ids[30:]
        for name in NAMES:
            others = [other for other in NAMES if other != name]
            self.assertEqual(self.cluster[name].stop(20), 0)
            stopped = time.monotonic()
            self.cluster.wait_shared(others, timeout=5)
            self.wait_polled(steady, stopped, by=others)
            gone = [one for one in self.cluster[others[0]].status()["cluster"]["nodes"] if one["id"] == name]
            self.assertEqual([one["state"] for one in gone], ["gone"])
            self.cluster.start()
        self.wait_polled(steady, time.monotonic())
        gaps = self.cluster.proof.longest_gaps(steady, began, time.monotonic())
        self.assertLess(max(gaps.values()), LONGEST + 1 + SLACK, "no id later than its band and a second")
        self.assertEqual([name for name in NAMES if "cluster.fenced" in self.places_of(name)], [])
        for one in self.settled_all(traffic):
            self.assertEqual(len(self.cluster.receiver.of(one)), 1, one)

    def test_postgresql_away_refuses_work_and_all_goes_on_by_itself(self):
        ids = self.identifiers(60)
        self.wait_polled(ids, time.monotonic())
        owners = self.cluster.owners(ids, "a")
        takes = sum(len(self.cluster[name].logged("cluster.taken_over")) for name in NAMES)
        self.server.stop()
        try:
            for name in NAMES:
                refused = wait_until(lambda: (lambda r: r if r.status == 503 else None)(
                    self.cluster[name].api("POST", "/v1/transactions", {"merchant_transaction_id": "refused"})), 10,
                    f"a refusal of {name}")
                self.assertEqual(refused.json["code"], "store_unavailable")
                self.assertIn("PostgreSQL", refused.json["detail"])
            wait_until(lambda: all(self.cluster[name].api("GET", "/readyz").status == 503 for name in NAMES), 10)
            self.cluster.settle(ids[:10])
            quiet = time.monotonic() + 4  # no lease is trusted longer
            wait_until(lambda: time.monotonic() > quiet + 2, 10)
            self.assertEqual(self.cluster.proof.polled_by(quiet), {}, "nobody polls without a lease")
            self.assertFalse([one for one in ids[:10] if self.cluster.receiver.of(one)], "what is not recorded")
        finally:
            self.server.start()
        back = time.monotonic()
        self.cluster.wait_shared(timeout=2 * TAKE_OVER)
        self.wait_delivered(ids[:10], TAKE_OVER)
        self.wait_polled(ids[10:], back, timeout=TAKE_OVER)
        self.assertEqual(self.cluster.owners(ids, "b"), owners, "everybody goes on with what was its own")
        storm = sum(len(self.cluster[name].logged("cluster.taken_over")) for name in NAMES) - takes
        self.assertLessEqual(storm, len(NAMES), "no storm of take-overs")
        self.assert_log_whole()
        self.assertEqual(self.cluster["a"].api("GET", "/v1/transactions/refused").status, 404)

    def test_a_name_that_lives_refuses_a_second_daemon(self):
        second = self.cluster.make("b", ("1s", "2s"), "info", {}, folder="second")
        second.start(wait=False)
        try:
            self.assertEqual(second.process.wait(30), 75, second.process.output())
            self.assertIn("cluster.node", second.process.output())
        finally:
            if second.process.alive():
                second.process.kill()
        self.assertEqual(self.cluster["b"].status()["cluster"]["node"], "b")
        self.cluster.wait_shared()


if __name__ == "__main__":
    unittest.main()
