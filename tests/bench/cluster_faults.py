"""Faults on a running cluster, one after the other, and an oracle of what must hold whatever happened: nothing that was
acknowledged is lost or undone, every event has one id and a number without gaps, and every callback came.

A database that was set back is not among them: it ends all nodes by design (exit status 74) and begins another log.
tests/system/failover_test.py has it."""

import email.utils
import http.client
import random
import signal
import threading
import time

from cluster_world import ClusterWorld, SkewedClock
from world import show, wait_until


def facts(event):
    return event["seq"], event["id"], event["data"]["merchant_transaction_id"], event["data"]["final"]


class Users(threading.Thread):
    """Adds, changes and ends ids at random nodes; remembers what was acknowledged."""

    def __init__(self, cluster, seed, pace=0.03):
        super().__init__(daemon=True)
        self.cluster, self.chance, self.pace = cluster, random.Random(seed), pace
        self.halted = threading.Event()
        self.number = self.asked = 0
        self.ending, self.versions, self.untracked, self.doubtful = set(), {}, set(), set()

    def call(self, method, target, body=None):
        """The status, None when nobody answered: then it may have been done or not."""
        self.asked += 1
        name = self.chance.choice(sorted(self.cluster.nodes))
        try:
            return self.cluster[name].api(method, target, body, timeout=2).status
        except (OSError, http.client.HTTPException, ValueError):
            return None

    def run(self):
        while not self.halted.wait(self.pace):
            kind = self.chance.choice(("end", "end", "stay", "change", "untrack"))
            stays = [one for one in self.versions if one not in self.untracked and one not in self.doubtful]
            if kind in ("change", "untrack") and not stays:
                continue
            if kind in ("end", "stay"):
                self.add(kind)
            elif kind == "change":
                self.change(self.chance.choice(stays))
            else:
                self.untrack(self.chance.choice(stays))

    def add(self, kind):
        self.number += 1
        one = f"{kind}s-{self.number}"
        status = self.call("POST", "/v1/transactions", {"merchant_transaction_id": one, "metadata": {"v": 0}})
        if status in (200, 201):
            if kind == "end":
                self.ending.add(one)
            else:
                self.versions[one] = 0

    def change(self, one):
        version = self.versions[one] + 1
        status = self.call("PATCH", f"/v1/transactions/{one}", {"metadata": {"v": version}})
        if status == 200:
            self.versions[one] = version
        else:
            self.doubtful.add(one)  # its version may be either

    def untrack(self, one):
        status = self.call("DELETE", f"/v1/transactions/{one}")
        if status == 200:
            self.untracked.add(one)
        else:
            self.doubtful.add(one)


class Reader(threading.Thread):
    """Follows the log of events by its cursor at one node after the other, as a merchant behind a balancer does."""

    def __init__(self, cluster, seed):
        super().__init__(daemon=True)
        self.cluster, self.chance, self.halted = cluster, random.Random(seed), threading.Event()
        self.seen, self.gaps = [], 0

    def run(self):
        while not self.halted.wait(0.05):
            self.read()

    def read(self):
        after = self.seen[-1][0] if self.seen else 0
        name = self.chance.choice(sorted(self.cluster.nodes))
        try:
            reply = self.cluster[name].api("GET", f"/v1/events?after={after}&limit=1000", timeout=2)
        except (OSError, http.client.HTTPException, ValueError):
            return False
        if reply.status == 410:  # a node that has not heard of our last one yet
            self.gaps += 1
        if reply.status != 200:
            return False
        for event in reply.json["events"]:
            self.gaps += event["seq"] != after + 1
            after = event["seq"]
            self.seen.append(facts(event))
        return not reply.json["events"]


WEIGHTS = {"cut": 4, "cut at a byte": 6, "no COMMIT": 4, "unknown COMMIT": 6, "frozen": 3, "paused": 3, "killed": 3,
           "PostgreSQL killed": 1, "lost notices": 2, "promoted": 1, "skewed clock": 2}


class Faults:
    """Each takes some seconds at most and leaves all as it was."""

    def __init__(self, world, chance, clock, weights):
        self.world, self.cluster, self.chance, self.clock, self.weights = world, world.cluster, chance, clock, weights
        self.makers = {"cut": self.cut, "cut at a byte": self.cut_at_a_byte, "no COMMIT": self.no_commit,
                       "unknown COMMIT": self.unknown_commit, "frozen": self.freeze, "paused": self.pause,
                       "killed": self.kill, "PostgreSQL killed": self.kill_postgres,
                       "lost notices": self.lose_notices, "promoted": self.promote, "skewed clock": self.skew}

    def once(self):
        kind = self.chance.choices(list(self.weights), self.weights.values())[0]
        self.makers[kind](self.chance.choice(self.world.names))
        return kind

    def cut(self, name):
        self.cluster.relays[name].cut()

    def cut_at_a_byte(self, name):
        self.armed(name, lambda relay: relay.cut_after(self.chance.randint(1, 20_000)))

    def no_commit(self, name):
        self.armed(name, lambda relay: setattr(relay, "at_commit", "before"))

    def unknown_commit(self, name):
        self.armed(name, lambda relay: setattr(relay, "at_commit", "after"))

    def armed(self, name, arm):
        relay = self.cluster.relays[name]
        before = relay.cuts
        arm(relay)
        until = time.monotonic() + 10
        while relay.cuts == before and time.monotonic() < until:
            time.sleep(0.01)

    def freeze(self, name):
        self.cluster.relays[name].freeze()
        time.sleep(self.chance.uniform(0.2, 7))
        self.cluster.relays[name].thaw()

    def pause(self, name):
        self.cluster[name].process.signal(signal.SIGSTOP)
        time.sleep(self.chance.uniform(0.2, 7))
        self.cluster[name].process.signal(signal.SIGCONT)

    def kill(self, name):
        self.cluster[name].kill()
        time.sleep(self.chance.uniform(0, 5))
        self.start(name)

    def start(self, name, env=None):
        self.cluster[name].start(wait=False, env=env)
        wait_until(lambda: self.cluster[name].answers() or not self.cluster[name].process.alive(), 60, "a start")
        assert self.cluster[name].process.alive(), self.cluster[name].process.output()[-3000:]

    def skew(self, name):
        """10 s to 10 minutes ahead or behind, for some seconds."""
        seconds = self.chance.choice((-1, 1)) * round(10 * 60 ** self.chance.random())
        self.end(name)
        self.start(name, self.clock.environment(seconds))
        shown = email.utils.parsedate_to_datetime(self.cluster[name].api("GET", "/healthz").headers["date"]).timestamp()
        assert abs(shown - time.time() - seconds) < 5, f"{name} shows {shown - time.time()} s and not {seconds}"
        time.sleep(self.chance.uniform(1, 8))
        self.end(name)
        self.start(name)

    def end(self, name):
        """SIGTERM or SIGKILL."""
        if self.chance.random() < 0.5:
            self.cluster[name].kill()
            return
        status = self.cluster[name].stop(60)
        assert status == 0, f"{name} ended with {status}: {self.cluster[name].process.output()[-3000:]}"

    def kill_postgres(self, _):
        """Its sessions see that their parent died and end; a start before that is refused."""
        self.world.postgres.process.kill()
        self.world.postgres.process.wait(10)
        time.sleep(self.chance.uniform(0, 2))

        def started():
            try:
                self.world.postgres.start(*self.world.postgres_options)
                return True
            except AssertionError:
                return time.sleep(0.2)
        wait_until(started, 30, "PostgreSQL again")

    def promote(self, _):
        self.world.fail_over(self.chance.uniform(0, 2))

    def lose_notices(self, name):
        self.cluster.relays[name].loses_notices = True
        time.sleep(self.chance.uniform(1, 4))
        self.cluster.relays[name].loses_notices = False


def judge(world, users, reader):
    """Figures of what must be 0."""
    cluster = world.cluster
    # At any node; a change is everywhere once it was acknowledged.
    shown = {name: {one["merchant_transaction_id"]: one for one in cluster[name].all_transactions()}
             for name in world.names}
    known = set(users.ending) | set(users.versions)
    lost = sum(one not in shown[name] for name in world.names for one in known)
    stale = 0
    for transactions in shown.values():
        stale += sum(transactions[one]["state"] != "settled" for one in users.ending if one in transactions)
        for one, version in users.versions.items():
            if one in transactions and one not in users.doubtful:
                stale += transactions[one]["metadata"] != {"v": version}
                stale += (transactions[one]["state"] == "untracked") != (one in users.untracked)
    logs = [[facts(event) for event in cluster[name].events()] for name in world.names]
    gaps = sum(log != logs[0] for log in logs) + sum(seq != at + 1 for at, (seq, *_) in enumerate(logs[0]))
    ends = [one for _, _, one, final in logs[0] if final]
    second = len(ends) - len(set(ends)) + len(logs[0]) - len({event for _, event, *_ in logs[0]})
    arrived = {event for _, event in world.arrivals()}
    lost += sum(event not in arrived for _, event, *_ in logs[0])
    lost += len(users.ending - set(ends))
    second += len(arrived - {event for _, event, *_ in logs[0]})  # told, and not in the log
    return {"lost": lost, "second_ids": second, "gaps": gaps + reader.gaps + (reader.seen != logs[0]), "stale": stale}


def told_by_a_wrong_clock(world):
    """How many callbacks have an event whose id has a time far from when it came: of a node with a wrong clock, except
    for a few that had to wait long."""
    return sum(abs(at - int(event[4:16], 16) / 1000) > 9.5 for at, event in world.arrivals())


def settle(world, users, reader):
    """Until the cluster is whole again and all is told."""
    world.cluster.wait_shared(timeout=60)
    for name in world.names:
        wait_until(lambda: world.cluster[name].api("GET", "/readyz").status == 200, 60, f"{name} is ready")
    wait_until(lambda: world.cluster["a"].api("GET", "/v1/deliveries?state=pending&limit=1").json["deliveries"] == []
               and settled(world, users) or time.sleep(0.5), 120, "all is told")
    wait_until(reader.read, 10, "the reader's end")


def settled(world, users):
    return all(world.cluster["a"].get(one)["state"] == "settled" for one in sorted(users.ending)[-300:])


def measure_faults(options):
    chance, counts = random.Random(options.seed), {}
    clock, weights = SkewedClock(), {kind: WEIGHTS[kind] for kind in options.kinds}
    if "skewed clock" in weights and not clock.is_there:
        del weights["skewed clock"]
        counts["skewed clock, left out: no C compiler"] = 0
    if not weights:
        raise SystemExit("a wrong clock needs a C compiler (cc)")
    # Without fsync a killed PostgreSQL loses nothing, as the machine lives on.
    world = ClusterWorld(options.interval, logged=False, relayed=True, durable=False, followed=True)
    if clock.is_there:
        world.environment_of_openssl = clock.environment(-3600)  # or it is not valid yet for a node that is behind
    with world:
        world.cluster.start()
        users, reader = Users(world.cluster, options.seed), Reader(world.cluster, options.seed)
        users.start()
        reader.start()
        faults, began = Faults(world, chance, clock, weights), time.monotonic()
        for number in range(options.number):
            kind = faults.once()
            counts[kind] = counts.get(kind, 0) + 1
            print(f"{number + 1}: {kind}; {len(users.ending)} to end, {len(reader.seen)} events read", flush=True)
            time.sleep(chance.uniform(0, 1))
        users.halted.set()
        users.join(10)
        reader.halted.set()
        reader.join(10)
        took = time.monotonic() - began
        settle(world, users, reader)
        verdict = judge(world, users, reader)
        of_a_wrong_clock = told_by_a_wrong_clock(world)
    show("faults", counts)
    acknowledged = len(users.ending) + len(users.versions)
    figures = {"faults": {"number": options.number, "seconds": took, "requests": users.asked,
                          "acknowledged": acknowledged, "events": len(reader.seen),
                          "of_a_wrong_clock": of_a_wrong_clock, **verdict}, "of which": counts}
    targets = [(what, "<=", 0, value) for what, value in verdict.items()] + [("faults", ">=", 300, options.number)]
    is_quick = options.number < 300 or set(options.kinds) != set(WEIGHTS)
    return "faults", "Faults between nodes and PostgreSQL", figures, targets, is_quick
