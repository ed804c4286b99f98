"""CPU time a poll at saturation: the daemon's whole poll path over HTTP/1.1 and HTTP/2 beside wrk, naive Beast, Go
net/http and a Node fetch loop (all HTTP/1.1).

All clients live through the round and take turns of a quarter of a second, stopped meanwhile by SIGSTOP: a machine's
speed that wanders within seconds (measured here: by half) is the same for everybody. nginx counts the requests of each
turn. """

import os
import signal
import subprocess
import time
from contextlib import contextmanager

from world import CLIENT_CORE, HERE, Window, add, bench_program, pinned, process_cpu, wait_until_seen

TITLE = "CPU time a poll, 64 connections (HTTP/2: 4), saturated"
H2_CONNECTIONS = 4  # of at most 100 streams each
TURN_SECONDS = 0.25
WARM_SECONDS = 1.0  # start, handshakes and a JIT's first steps are nobody's

NODE_OPTIONS = ["--dns-result-order=ipv4first"]  # Node 18 asks ::1 alone for localhost, where nobody listens


@contextmanager
def continued(pid):
    os.kill(pid, signal.SIGCONT)
    yield
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.02)  # nginx answers what was in flight


def start_client(world, command, env=None):
    client = subprocess.Popen(pinned(CLIENT_CORE, command), stdout=subprocess.DEVNULL,
                              env={**os.environ, **(env or {})})
    world.started.append(client)
    return client.pid


def start_daemon(world, name, port, connections):
    daemon = world.daemon(name, port, proof={"connections": connections}, poll={"interval": ["50ms", "100ms"]})
    world.start(daemon)
    count = 5_000 if world.quick else 20_000  # each wanted every 75 ms: many times what can be made
    add(daemon, count)
    wait_until_seen(daemon, count)
    protocol = daemon.status()["proof"]["protocol"]
    assert protocol == ("h2" if port == world.http2 else "http/1.1"), protocol
    return daemon.process.pid


def start_all(world):
    """Each started alone, warmed and stopped: pids by name."""
    port, ca = str(world.pending), str(world.folder / "cert.pem")
    url = f"https://localhost:{port}/widget/transactions/550e8400-e29b-41d4-a716-446655440000"
    arguments = [port, ca, "64", "3600"]
    starts = {
        "wrk": lambda: start_client(world, ["wrk", "-t1", "-c64", "-d3600s", url]),
        "prooftrackd": lambda: start_daemon(world, "cost", world.pending, 64),
        "prooftrackd, HTTP/2": lambda: start_daemon(world, "cost2", world.http2, H2_CONNECTIONS),
        "naive Beast coroutines": lambda: start_client(world, [bench_program("naive_beast"), *arguments]),
        "Go net/http": lambda: start_client(world, [bench_program("net_http_client"), *arguments]),
        "Node fetch loop": lambda: start_client(world,
                                                ["node", *NODE_OPTIONS, str(HERE / "clients" / "fetch_loop.mjs"),
                                                 *arguments], {"NODE_EXTRA_CA_CERTS": ca}),
    }
    pids = {}
    for name, start in starts.items():
        pids[name] = start()
        with continued(pids[name]):
            time.sleep(WARM_SECONDS)
    return pids


def run(world):
    pids = start_all(world)
    turns = 6 if world.quick else 24
    requests, seconds = dict.fromkeys(pids, 0), dict.fromkeys(pids, 0.0)
    cpu = {name: process_cpu(pid) for name, pid in pids.items()}
    with Window(world, *pids.values()) as window:
        for number in range(turns):
            for name in pids if number % 2 else reversed(pids):
                before, start = world.requests_answered(), time.monotonic()
                with continued(pids[name]):
                    time.sleep(TURN_SECONDS)
                requests[name] += world.requests_answered() - before
                seconds[name] += time.monotonic() - start
    cpu = {name: process_cpu(pid) - cpu[name] for name, pid in pids.items()}
    assert not world.odd_replies(), world.odd_replies()[:3]
    assert all(requests.values()), (requests, "a client made no request: did it end?")
    return {name: {"us": cpu[name] / requests[name] * 1e6, "per_second": requests[name] / seconds[name],
                   "foreign": window.foreign} for name in pids}


def derive(rounds):
    """Ratios to wrk's CPU a request, each within its own round."""
    return {f"{name}: against wrk": [one[name]["us"] / one["wrk"]["us"] for one in rounds] for name in rounds[0]}


TARGETS = [("prooftrackd: against wrk", "<=", 1.15), ("prooftrackd, HTTP/2: against wrk", "<=", 0.75)]
