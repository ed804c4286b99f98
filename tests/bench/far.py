"""A far-away Proof: how many pending the daemon keeps in the default band when a reply takes 1 to 300 ms, over HTTP/1.1
and over HTTP/2, beside Go's and Node's clients and h2load.

The distance is far_relay between the client and nginx, on nginx' core: delays of the network alone, without the
congestion window of a long way. Each client is given the same wanted rate, and the same number of polls at once where
it has to be told one:
- prooftrackd with its default configuration, and with 64 connections, which is what many a client's pool is set to;
  once with half of the transactions
- Go: a goroutine a transaction, as many connections as that takes, at most twice as many polls at once as have to be
- Node: fetch in as many loops as polls have to be in flight, without a pause; it holds what it can make
- h2load: as fast as it can, as a scale
`held` is how many pending the polls that were made are enough for. """

import json
import math
import os
import re
import resource
import shutil
import signal
import subprocess
import time

from far_picture import picture  # noqa: F401 (taken by report.py)
from world import (CLIENT_CORE, HERE, Window, add, bench_program, histogram_quantile, memory_kib, metrics, pinned,
                   process_cpu, total)

TITLE = "A far-away Proof: pending that are held in the default band"
DISTANCES = (1, 20, 100, 300)
FAR = 100
MEMORY = "MiB of 1,300 polls in flight over HTTP/2"
NODE_OPTIONS = ["--dns-result-order=ipv4first"]
ON_TIME = 0.98  # of the wanted polls: the rest is how many of an even draw fall into a window
MOST_AT_ONCE = 4500  # of Go, whose connections take the relay two descriptors each
MOST_LOOPS = 1000  # of Node, which makes fewer polls a second than they could


class Load:
    """100,000 in the default band; quick: 2,000 in a tenth of it, which is the rate of 20,000."""

    def __init__(self, quick, share=1.0):
        self.pending, self.band, self.seconds = (2_000, (500, 1000), 4) if quick else (100_000, (5000, 10_000), 15)
        self.pending = int(self.pending * share)
        self.poll = {"interval": [f"{one}ms" for one in self.band]}
        self.warm = self.band[1] / 1000 + 1
        self.mean = sum(self.band) / 2000
        self.rate = self.pending / self.mean

    def in_flight(self, distance):
        return max(8, math.ceil(self.rate * (distance + 1) / 1000 * 1.2))

    def held(self, per_second):
        """In the default band, whatever the band of this load is."""
        return min(per_second / ON_TIME, self.rate) * 7.5

    def figures(self, made_per_second, connections=None, rss_kib=None, cpu=None, foreign=None, **lateness):
        return {"wanted_per_second": self.rate, "made_per_second": made_per_second, "held": self.held(made_per_second),
                "reply_p50_ms": lateness.get("reply"), "lateness_p50_ms": lateness.get("p50"),
                "lateness_p99_ms": lateness.get("p99"), "connections": connections,
                "rss_mib": rss_kib and rss_kib / 1024, "cpu_us_a_poll": cpu, "foreign": foreign}


def quantile_ms(before, after, name, share):
    value = histogram_quantile(before, after, name, share)
    return None if value is None else value * 1000


def wait_until_seen(daemon, load):
    """As world's, but one that cannot keep up is measured as well."""
    until = time.monotonic() + 4 * load.warm
    while time.monotonic() < until:
        if daemon.status()["transactions"]["by_status"].get("pending", 0) >= load.pending:
            break
        time.sleep(0.3)
    time.sleep(load.warm)


def speaks_http2(daemon):
    return "2" in str(daemon.status()["proof"].get("protocol", ""))


def measure_daemon(world, load, port, relay, is_http2=False, proof=None):
    """None when it should speak HTTP/2 and does not."""
    daemon = world.daemon("far", port, poll=load.poll, proof=proof)
    world.start(daemon)
    pid = daemon.process.pid
    add(daemon, load.pending)
    wait_until_seen(daemon, load)
    figures = None
    if speaks_http2(daemon) == is_http2:
        before = metrics(daemon)
        with Window(world, pid, relay) as window:
            time.sleep(load.seconds)
        after = metrics(daemon)
        polls = total(after, "prooftrackd_polls_total") - total(before, "prooftrackd_polls_total")
        lag = "prooftrackd_poll_lag_seconds"
        figures = load.figures(polls / window.seconds, world.server_counts()[0], memory_kib(pid),
                               window.cpu / polls * 1e6, window.foreign,
                               reply=quantile_ms(before, after, "prooftrackd_poll_duration_seconds", 0.5),
                               p50=quantile_ms(before, after, lag, 0.5), p99=quantile_ms(before, after, lag, 0.99))
    daemon.stop(timeout=120)
    shutil.rmtree(daemon.folder)
    return figures


def measure_client(world, load, relay, command, env=None, marks=False):
    """One that runs until it is stopped. `marks`: it prints its lateness since SIGUSR1."""
    client = subprocess.Popen(pinned(CLIENT_CORE, command), stdout=subprocess.PIPE, text=True,
                              env={**os.environ, **(env or {})})
    world.started.append(client)
    time.sleep(load.warm)
    if marks:
        client.send_signal(signal.SIGUSR1)
    cpu, before = process_cpu(client.pid), world.requests_answered()
    with Window(world, client.pid, relay) as window:
        time.sleep(load.seconds)
    connections, answered = world.server_counts()
    made, cpu, rss = answered - before, process_cpu(client.pid) - cpu, memory_kib(client.pid)
    assert client.poll() is None, f"{command[0]} ended: {client.returncode}"
    client.terminate()
    printed = client.communicate(timeout=60)[0]
    return load.figures(made / window.seconds, connections, rss, cpu / max(made, 1) * 1e6, window.foreign,
                        **(json.loads(printed) if marks else {}))


def measure_go(world, load, port, relay, distance, version):
    at_once = min(2 * load.in_flight(distance), MOST_AT_ONCE)
    command = [bench_program("band_loop"), str(port), str(world.folder / "cert.pem"), str(load.pending),
               *map(str, load.band), str(at_once), version]
    return measure_client(world, load, relay, command, marks=True)


def measure_node(world, load, port, relay, distance):
    loops = min(load.in_flight(distance), MOST_LOOPS)
    command = ["node", *NODE_OPTIONS, str(HERE / "clients" / "fetch_loop.mjs"), str(port), "-", str(loops), "3600"]
    return measure_client(world, load, relay, command, {"NODE_EXTRA_CA_CERTS": str(world.folder / "cert.pem")})


def measure_h2load(world, load, port, relay, distance, is_http2):
    """Its CPU time has the handshakes. None when it does not end: 1.52 waits forever when a connection was lost before
    all were open, which happens on a crowded machine."""
    at_once = load.in_flight(distance)
    connections, streams = (math.ceil(at_once / 100), 100) if is_http2 else (at_once, 1)
    command = ["h2load", "-t1", f"-c{connections}", f"-m{streams}", "-D", str(load.seconds),
               "--warm-up-time", "2", *([] if is_http2 else ["--h1"]),
               f"https://localhost:{port}/widget/transactions/550e8400-e29b-41d4-a716-446655440000"]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    answered = world.requests_answered()
    with Window(world, relay) as window:
        try:
            done = subprocess.run(pinned(CLIENT_CORE, command), capture_output=True, text=True, check=True,
                                  timeout=load.seconds + 40)
        except subprocess.TimeoutExpired:
            return None
    answered = world.requests_answered() - answered
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return load.figures(float(re.search(r"([\d.]+) req/s", done.stdout).group(1)), connections, None,
                        cpu / max(answered, 1) * 1e6, window.foreign)


def run(world):
    load, half = Load(world.quick), Load(world.quick, 0.5)
    figures = {}

    def note(what, distance, measure, server=world.pending):
        """Through a relay of its own, so that nobody meets what another left behind. Nothing is noted of a client that
        took all of the relay's descriptors, as Go's does over HTTP/2 at 300 ms: it dials for each request that waits.
        """
        port, pid = world.relay(server, distance)
        relay = world.started[-1]
        measured = measure(port, pid)
        if relay.poll() is None:
            relay.terminate()
            if measured:
                figures[f"{what}, {distance} ms"] = measured

    for distance in DISTANCES:
        def note_daemon(what, load=load, **options):
            note(f"prooftrackd, {what}", distance, lambda port, pid: measure_daemon(world, load, port, pid, **options))

        note_daemon("HTTP/1.1")
        note_daemon("HTTP/1.1, 64 connections", proof={"connections": 64})
        if distance == FAR:
            note_daemon("HTTP/1.1, 50,000 pending", half)
        note("prooftrackd, HTTP/2", distance,
             lambda port, pid: measure_daemon(world, load, port, pid, is_http2=True), world.http2)
        note("Go net/http, HTTP/1.1", distance, lambda port, pid: measure_go(world, load, port, pid, distance, "1.1"))
        note("Go net/http, HTTP/2", distance, lambda port, pid: measure_go(world, load, port, pid, distance, "2"),
             world.http2)
        note("Node fetch, HTTP/1.1", distance, lambda port, pid: measure_node(world, load, port, pid, distance))
        note("h2load, HTTP/1.1", distance, lambda port, pid: measure_h2load(world, load, port, pid, distance, False))
        note("h2load, HTTP/2", distance, lambda port, pid: measure_h2load(world, load, port, pid, distance, True),
             world.http2)
    assert not world.odd_replies(), world.odd_replies()[:3]
    return figures


def memory_in_flight(one):
    """What the polls in flight at FAR take beside those at 1 ms, in MiB: 100,000 transactions are in both."""
    return one[f"prooftrackd, HTTP/2, {FAR} ms"]["rss_mib"] - one["prooftrackd, HTTP/2, 1 ms"]["rss_mib"]


def derive(rounds):
    """Of what every round has."""
    names = [name for name in rounds[0] if name.startswith("prooftrackd") and all(name in one for one in rounds)]
    derived = {f"{name}: {key}": [one[name][key] for one in rounds] for name in names
               for key in ("held", "lateness_p99_ms")}
    if all(f"prooftrackd, HTTP/2, {distance} ms" in names for distance in (1, FAR)):
        derived[MEMORY] = [memory_in_flight(one) for one in rounds]
    return derived


# Over HTTP/1.1 the daemon opens 1,024 connections by itself: at 100 ms they are not enough for 100,000.
HALF = f"prooftrackd, HTTP/1.1, 50,000 pending, {FAR} ms"
TARGETS = [(f"{HALF}: held", ">=", 50_000), (f"{HALF}: lateness_p99_ms", "<=", 50),
           (f"prooftrackd, HTTP/2, {FAR} ms: held", ">=", 100_000), (MEMORY, "<=", 10)] \
    + [(f"prooftrackd, HTTP/1.1, {distance} ms: lateness_p99_ms", "<=", 50) for distance in (1, 20)] \
    + [(f"prooftrackd, HTTP/2, {distance} ms: lateness_p99_ms", "<=", 50) for distance in DISTANCES]
