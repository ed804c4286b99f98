#!/usr/bin/env python3
"""Measures several daemons on one PostgreSQL. nginx is Proof (its log tells which node asked) and the receiver.

    PROOFTRACK_BIN=.build/release python3 -B tests/bench/cluster.py SECTION [options]

  takeover --how kill|stop|cut --times N --ids M   from the fault until each id of the node is polled by another
  handover --ids N --interval LOW,HIGH             SIGTERM: how late ids of the node are polled
  events --rate N --seconds N                      events over three nodes, and from commit to delivery
  import --ids N                                   by one node, polled by three
  start --ids N                                    all three at once, then the third of a killed one taken over
  faults --number N [--kinds KIND,KIND]            cuts, kills, failovers, wrong clocks and an oracle
  cpu                                              an unchanged poll beside SQLite, and statements to PostgreSQL

Writes results/cluster_SECTION.json and .md; with less than the target's size `-quick` ones. Needs nginx and
PostgreSQL's programs, and both cores for itself. Exit status 1: a target was missed. """

import argparse
import os
import random
import signal
import sys
import threading
import time
from contextlib import contextmanager

from cluster_faults import WEIGHTS, measure_faults
from cluster_world import ClusterWorld, seconds_of, spread, write
from world import Window, metrics, percentile, process_cpu, show, total, uuids, wait_until

OF_THE_BAND = 1.0  # seconds that an id may be late in a planned hand-over


@contextmanager
def fault(cluster, name, how):
    """Whatever takes the node away, and brings it back at the end."""
    node = cluster[name]
    if how == "kill":
        node.kill()
    elif how == "stop":
        node.process.signal(signal.SIGSTOP)
    else:
        cluster.relays[name].freeze()
    try:
        yield time.time()
    finally:
        if how == "kill":
            cluster.start(60)
        elif how == "stop":
            node.process.signal(signal.SIGCONT)
        else:
            cluster.relays[name].thaw()


def first_polls_by_others(world, owners, lost, at):
    """Seconds from then until each id of the lost node was polled by another."""
    wanted, found = {one for one, node in owners.items() if node == lost}, {}

    def look():
        for when, node, one in world.polls.fresh():
            if when >= at and node != lost and one in wanted:
                found.setdefault(one, when - at)
            owners[one] = node
        return len(found) == len(wanted) or time.sleep(0.05)
    wait_until(look, 60, f"ids of {lost} polled by the others")
    return list(found.values())


def measure_takeover(options):
    chance = random.Random(5)
    with ClusterWorld(options.interval, relayed=options.how == "cut") as world:
        world.cluster.start()
        world.import_ids(options.ids)
        each, whole = [], []
        for number in range(options.times):
            owners = world.wait_each_polled(options.ids, 60 + 3 * seconds_of(options.interval)[1])
            lost = chance.choice(world.names)
            with fault(world.cluster, lost, options.how) as at:
                waits = first_polls_by_others(world, owners, lost, at)
            each += waits
            whole.append(max(waits))
            print(f"{number + 1}: {lost}, {len(waits)} ids, all polled after {max(waits):.2f} s", flush=True)
            world.cluster.wait_shared(timeout=40)
    figures = {f"{options.how}: until an id is polled": {**spread(each), "times": options.times, "ids": len(each)},
               f"{options.how}: until all are": {**spread(whole), "times": options.times}}
    targets = [(f"{options.how}: p99, s", "<=", 8, percentile(each, 0.99)),
               (f"{options.how}: all polled again, s", "<=", 10, max(each))]
    return f"takeover_{options.how}", "Take-over of a lost node", figures, targets, options.times < 100


def measure_handover(options):
    high = seconds_of(options.interval)[1]
    with ClusterWorld(options.interval) as world:
        world.cluster.start()
        world.import_ids(options.ids)
        world.wait_each_polled(options.ids, 60 + 4 * high)
        last = {}  # id: (when, node)

        def note():
            last.update((one, (when, node)) for when, node, one in world.polls.fresh())
            return len(last) == options.ids or time.sleep(0.1)
        wait_until(note, 60 + 2 * high, "a poll of each")
        lost, next_polls = "b", {}
        began = time.time()
        world.cluster[lost].process.signal(signal.SIGTERM)
        code = world.cluster[lost].process.wait(60)
        stopped = time.time() - began

        def look():
            for when, node, one in world.polls.fresh():
                if node == lost or when < began:
                    last[one] = (when, node)
                elif last[one][1] == lost:
                    next_polls.setdefault(one, when)
            return all(one in next_polls for one, (_, node) in last.items() if node == lost) or time.sleep(0.2)
        wait_until(look, 60 + 2 * high, "ids of the stopped node polled")
    gaps = [when - last[one][0] for one, when in next_polls.items()]
    late = max(gaps) - high
    figures = {"hand-over": {"ids": options.ids, "handed_over": len(gaps), "stopped_s": stopped, "exit": code,
                             "band_s": high, "longest_between_polls_s": max(gaps), "late_by_s": max(0.0, late)}}
    return "handover", "SIGTERM of one of three nodes", figures, [
        ("later than the band, s", "<=", OF_THE_BAND, late), ("exit status", "<=", 0, code)], options.ids < 100_000


class Feeder(threading.Thread):
    """Adds ids that end at their first poll, a hundredth of a second's worth at a time, to the nodes in turn."""

    def __init__(self, world, rate, seconds):
        super().__init__(daemon=True)
        self.world, self.rate, self.seconds, self.added, self.refused = world, rate, seconds, 0, 0

    def run(self):
        began, turn = time.monotonic(), 0
        while (now := time.monotonic() - began) < self.seconds:
            count = int(now * self.rate) - self.added
            if count >= max(1, self.rate // 100):
                body = "".join(f'"ends-{self.rate}-{n}"\n' for n in range(self.added, self.added + count)).encode()
                name = self.world.names[turn % len(self.world.names)]
                reply = self.world.cluster[name].api("POST", "/v1/transactions", body,
                                                     {"Content-Type": "application/x-ndjson"}, timeout=60)
                self.refused += reply.status != 200
                self.added, turn = self.added + count, turn + 1
            else:
                time.sleep(0.002)


def measure_events(options):
    with ClusterWorld(options.interval, logged=False) as world:
        world.cluster.start()
        feeder, warm = Feeder(world, options.rate, options.seconds), 3.0
        pids = [world.cluster[name].process.pid for name in world.names]
        before = len(world.arrivals())
        with Window(world, *pids) as window:
            began = time.time()
            feeder.start()
            feeder.join()
            world_time = time.time() - began
            seq = world.cluster["a"].status()["events"]["last_seq"]
        wait_until(lambda: len(world.arrivals()) - before >= feeder.added, 120, "all delivered")
        arrivals = world.arrivals()[before:]
        waits = [(at - int(event[4:16], 16) / 1000) * 1000 for at, event in arrivals
                 if began + warm <= int(event[4:16], 16) / 1000 <= began + options.seconds]
        figures = {f"{options.rate} a second": {
            "recorded_a_second": seq / world_time, "events": feeder.added, "refused_requests": feeder.refused,
            "second_deliveries": len(arrivals) - len({event for _, event in arrivals}),
            "commit_to_delivery_p50_ms": percentile(waits, 0.5), "p99_ms": percentile(waits, 0.99),
            "max_ms": max(waits), "foreign": window.foreign}}
    targets = [("events a second", ">=", options.rate * 0.95, seq / world_time)]
    if options.rate <= 500:
        targets.append(("commit to delivery p99, ms", "<=", 100, percentile(waits, 0.99)))
    return f"events_{options.rate}", "Events of three nodes on one PostgreSQL", figures, targets, options.seconds < 20


def measure_import(options):
    with ClusterWorld(options.interval) as world:
        world.cluster.start()
        world.polls.skip()
        began = time.monotonic()
        world.import_ids(options.ids, node="a")
        took = time.monotonic() - began
        owners = {}

        def look():
            owners.update((one, node) for _, node, one in world.polls.fresh())
            return len(owners) >= options.ids or time.sleep(0.1)
        wait_until(look, 60 + 3 * seconds_of(options.interval)[1], "all polled")
        whole = time.monotonic() - began
    shares = [sum(node == name for node in owners.values()) for name in world.names]
    uneven = max(abs(share * 3 / options.ids - 1) for share in shares)
    figures = {"import by one node": {"ids": options.ids, "seconds": took, "a_second": options.ids / took,
                                      "all_polled_once_s": whole, "most_uneven": uneven}}
    return "import", "Import by one node, polled by three", figures, [
        ("imported, s", "<=", 20, took), ("uneven", "<=", 0.1, uneven)], options.ids < 100_000


def held_samples(world, samples):
    """How many of the samples, one in each shard, their owner has in its schedule."""
    count = 0
    running = world.cluster.running()
    for one in samples:
        owner = world.cluster[running[0]].get(one).get("node")
        if owner in running and world.cluster[owner].get(one)["next_poll_at"] is not None:
            count += 1
    return count


def measure_start(options):
    with ClusterWorld(options.interval, logged=False) as world:
        world.cluster.start()
        world.import_ids(options.ids)
        samples = [f"samples-{n:07}" for n in range(256)]
        world.import_ids(256, prefix="samples")
        pending = lambda: world.cluster["a"].status()["transactions"]["by_status"].get("pending", 0)
        wait_until(lambda: pending() >= options.ids, 600, "each was polled once")
        for name in world.names:
            world.cluster[name].stop(60)
        began = time.monotonic()
        world.cluster.start(120)
        answers = time.monotonic() - began
        wait_until(lambda: held_samples(world, samples) == 256, 120, "each shard has an owner that polls it")
        held = time.monotonic() - began
        rss = [world.cluster[name].process.memory_kib() / 1024 for name in world.names]
        world.cluster["b"].kill()
        began = time.monotonic()
        wait_until(lambda: held_samples(world, samples) == 256, 120, "the third of the killed one is taken over")
        taken = time.monotonic() - began
    figures = {f"{options.ids:,} ids": {"all_answer_s": answers, "all_scheduled_s": held, "a_third_taken_over_s": taken,
                                        "rss_mib_of_the_largest": max(rss)}}
    return "start", "Start of three nodes, and the take-over of a third", figures, [
        ("start of all, s", "<=", 10, held), ("take-over of a third, s", "<=", 10, taken)], options.ids < 1_000_000


@contextmanager
def continued(pid):
    os.kill(pid, signal.SIGCONT)
    yield
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.02)  # nginx answers what was in flight


def measure_cpu(options):
    """Turns of a quarter of a second, as in poll_cost: a pause is far shorter than a lease."""
    with ClusterWorld(["50ms", "100ms"], logged=False, names=("a",), extensions=("pg_stat_statements",),
                      connections=64) as world:
        world.cluster.start()
        world.postgres.sql("CREATE EXTENSION pg_stat_statements")
        sqlite = world.daemon("sqlite", world.proof, poll={"interval": ["50ms", "100ms"]},
                              proof={"connections": 64, "token_file": str(world.cluster.folder / "token-a")})
        world.start(sqlite)
        daemons = {"PostgreSQL": world.cluster["a"], "SQLite": sqlite}
        for daemon in daemons.values():
            body = "".join(f'"{one}"\n' for one in uuids(options.ids, 1)).encode()
            assert daemon.api("POST", "/v1/transactions", body, {"Content-Type": "application/x-ndjson"}).status == 200
            wait_until(lambda: daemon.status()["transactions"]["by_status"].get("pending", 0) >= options.ids, 120)
        pids = {name: daemon.process.pid for name, daemon in daemons.items()}

        def polls():
            return {name: total(metrics(daemon), "prooftrackd_polls_total") for name, daemon in daemons.items()}

        def statements():
            return int(world.postgres.sql("SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s "
                                          "JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = 'cluster'"))
        before, asked, began = polls(), statements(), time.monotonic()
        cpu = {name: process_cpu(pid) for name, pid in pids.items()}
        for pid in pids.values():
            os.kill(pid, signal.SIGSTOP)
        for number in range(options.turns):
            for name in pids if number % 2 else reversed(pids):
                with continued(pids[name]):
                    time.sleep(0.25)
        cpu = {name: process_cpu(pid) - cpu[name] for name, pid in pids.items()}
        for pid in pids.values():
            os.kill(pid, signal.SIGCONT)
        seconds, asked = time.monotonic() - began, statements() - asked
        made = {name: count - before[name] for name, count in polls().items()}
    us = {name: cpu[name] / made[name] * 1e6 for name in pids}
    figures = {name: {"us_a_poll": us[name], "polls": made[name]} for name in pids}
    figures["PostgreSQL"] |= {"statements_a_second": asked / seconds, "statements_a_poll": asked / made["PostgreSQL"]}
    # Heartbeats and news go on: a few statements a second, whatever is polled.
    return "cpu", "An unchanged poll beside SQLite", figures, [
        ("CPU beside SQLite", "<=", 1.05, us["PostgreSQL"] / us["SQLite"]),
        ("statements a poll", "<=", 0.005, asked / made["PostgreSQL"])], options.turns < 24


def interval(text):
    parts = text.split(",")
    if len(parts) != 2:
        raise argparse.ArgumentTypeError("two durations: 1s,2s")
    return parts


def kinds(text):
    unknown = set(found := text.split(",")) - set(WEIGHTS)
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: the kinds are {', '.join(WEIGHTS)}")
    return found


def read_options():
    arguments = argparse.ArgumentParser(prog="tests/bench/cluster.py")
    sections = arguments.add_subparsers(dest="section", required=True)

    def section(name, measure, band, **numbers):
        one = sections.add_parser(name)
        one.set_defaults(measure=measure)
        one.add_argument("--interval", type=interval, default=band.split(","))
        for option, value in numbers.items():
            one.add_argument(f"--{option}", type=int, default=value)
        return one
    section("takeover", measure_takeover, "1s,2s", times=100, ids=3_000).add_argument(
        "--how", choices=("kill", "stop", "cut"), default="kill")
    section("handover", measure_handover, "20s,40s", ids=100_000)
    section("events", measure_events, "500ms,1s", rate=2_000, seconds=20)
    section("import", measure_import, "10s,20s", ids=100_000)
    section("start", measure_start, "10m,20m", ids=1_000_000)
    section("faults", measure_faults, "500ms,1s", number=300, seed=7).add_argument(
        "--kinds", type=kinds, default=list(WEIGHTS))
    section("cpu", measure_cpu, "50ms,100ms", ids=10_000, turns=24)
    return arguments.parse_args()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    options = read_options()
    name, title, figures, targets, quick = options.measure(options)
    for what, line in figures.items():
        show(what, line)
    missed = write(name, title, figures, targets, quick, sys.argv[1:])
    print(f"targets missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
