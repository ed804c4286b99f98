"""CPU time a poll at saturation: the daemon's whole poll path beside wrk, naive Beast, Go net/http and a Node fetch loop."""

import json
import os
import re
import subprocess
import time

from harness import program
from world import CLIENT_CORE, HERE, Window, add, metrics, pinned, total, wait_until_seen

TITLE = "CPU time a poll, 64 connections, saturated"


def bench_program(name):
    return os.path.join(os.path.dirname(os.path.dirname(program("proof-sandbox"))), "tests", "bench", name)


def run_once(world, command, env):
    """(requests, CPU seconds, window) of a client that runs to its end."""
    before = os.times()
    with Window(world) as window:
        done = subprocess.run(pinned(CLIENT_CORE, command), capture_output=True, text=True, timeout=120, env={**os.environ, **(env or {})})
    after = os.times()
    assert done.returncode == 0, (command, done.stderr[-1000:])
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    if command[0] == "wrk":
        assert "Non-2xx" not in done.stdout, done.stdout
        return int(re.search(r"(\d+) requests in", done.stdout).group(1)), cpu, window
    return json.loads(done.stdout)["requests"], cpu, window


def run_client(world, command, seconds, env=None):
    """A short run is taken off a long one: the daemon is measured warm, so nobody's start and 64 handshakes may count either."""
    few, start_cpu, _ = run_once(world, command(1), env)
    count, cpu, window = run_once(world, command(1 + seconds), env)
    assert count > few, (command(1), "too few requests to measure")
    return {"us": (cpu - start_cpu) / (count - few) * 1e6, "per_second": count / window.seconds, "foreign": window.foreign}


def run_daemon(world, depth, seconds):
    daemon = world.daemon(f"cost{depth}", world.pending, proof={"pipeline_depth": depth, "connections": 64},
                          poll={"interval": ["50ms", "100ms"]})
    world.start(daemon)
    count = 5_000 if world.quick else 20_000  # each wanted every 75 ms: many times what can be made
    add(daemon, count)
    wait_until_seen(daemon, count)
    before = metrics(daemon)
    with Window(world, daemon.process.pid) as window:
        time.sleep(seconds)
    after = metrics(daemon)
    daemon.stop()
    polls = total(after, "prooftrackd_polls_total") - total(before, "prooftrackd_polls_total")
    return {"us": window.cpu / polls * 1e6, "per_second": polls / window.seconds, "foreign": window.foreign}


def run(world):
    seconds = 2 if world.quick else 5
    port, ca = str(world.pending), str(world.folder / "cert.pem")
    url = f"https://localhost:{port}/widget/transactions/550e8400-e29b-41d4-a716-446655440000"

    def own(*program_and_arguments):
        return lambda length: [*program_and_arguments, port, ca, "64", str(length)]

    return {
        "wrk": run_client(world, lambda length: ["wrk", "-t1", "-c64", f"-d{length}s", url], seconds),
        "prooftrackd": run_daemon(world, 1, seconds),
        "prooftrackd, pipeline_depth 16": run_daemon(world, 16, seconds),
        "naive Beast coroutines": run_client(world, own(bench_program("naive_beast")), seconds),
        "Go net/http": run_client(world, own(bench_program("net_http_client")), seconds),
        "Node fetch loop": run_client(world, own("node", str(HERE / "clients" / "fetch_loop.mjs")), seconds, {"NODE_EXTRA_CA_CERTS": ca}),
    }


def derive(rounds):
    """Ratios to wrk's CPU a request, each within its own round."""
    return {f"{name}: against wrk": [one[name]["us"] / one["wrk"]["us"] for one in rounds] for name in rounds[0]}


TARGETS = [("prooftrackd: against wrk", "<=", 1.20), ("prooftrackd, pipeline_depth 16: against wrk", "<=", 0.75)]
