"""Connections of HTTP/2 that end under the polls: 10,000 GOAWAYs of an nginx that ends each connection after 20
requests, then 1,000 connections that go because its worker is killed once a second. `failed` is how many polls got
no reply.

Proof is 20 ms away, so that polls are in flight on each connection that ends. """

import os
import signal
import time

from far import Load, wait_until_seen
from world import add, metrics, total

TITLE = "Polls that fail when connections end (HTTP/2)"
DISTANCE_MS = 20
LONGEST = 300


class ManyPolls(Load):
    """13,333 a second, as of 100,000 pending in the default band."""

    def __init__(self, quick):
        super().__init__(quick)
        self.pending, self.band = (2_000, (500, 1000)) if quick else (20_000, (1000, 2000))
        self.poll = {"interval": [f"{one}ms" for one in self.band]}
        self.warm = 3


def failed(samples):
    return sum(value for key, value in samples.items()
               if key.startswith("prooftrackd_polls_total{") and 'result="no_reply"' in key)


def handshakes(samples):
    return total(samples, "prooftrackd_tls_handshakes_total")


def run_until(daemon, ended, disturb):
    """Disturbs once a second until so many connections were opened in place of others, at most LONGEST seconds."""
    before, begun = metrics(daemon), time.monotonic()
    while True:
        disturb()
        time.sleep(1)
        after = metrics(daemon)
        seconds, opened = time.monotonic() - begun, handshakes(after) - handshakes(before)
        if opened >= ended or seconds > LONGEST:
            break
    polls = total(after, "prooftrackd_polls_total") - total(before, "prooftrackd_polls_total")
    return {"connections_ended": opened, "polls": polls, "failed": failed(after) - failed(before),
            "per_second": polls / seconds}


def run(world):
    def kill_workers():  # nginx' master starts others at once, and holds the listening socket meanwhile
        for worker in world.server_workers():
            os.kill(worker, signal.SIGKILL)

    load = ManyPolls(world.quick)
    done = {}
    for name, port, ended, disturb in (("GOAWAY", world.short_lived, 500 if world.quick else 10_000, lambda: None),
                                       ("killed", world.http2, 50 if world.quick else 1_000, kill_workers)):
        listen, _ = world.relay(port, DISTANCE_MS)
        daemon = world.start(world.daemon(f"ends-{name}", listen, poll=load.poll))
        add(daemon, load.pending)
        wait_until_seen(daemon, load)
        assert daemon.status()["proof"]["protocol"] == "h2"
        done[name] = run_until(daemon, ended, disturb)
        daemon.stop(timeout=120)
    return done


def derive(rounds):
    return {f"{name}: failed": [one[name]["failed"] for one in rounds] for name in rounds[0]}


TARGETS = [("GOAWAY: failed", "<=", 0), ("killed: failed", "<=", 0)]
