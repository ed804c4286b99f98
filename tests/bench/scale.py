"""Many pending at the default band on one core: polls wanted and made, lateness, share of a core, memory a transaction.

The targets come from a machine where wrk made 121,000 requests a second. One that makes fewer cannot answer as many
polls whoever asks, so beside the plain numbers stand those that are as heavy for this machine as the target is for
that one. wrk is measured right before and right after them: where the two differ much the machine's speed has changed
meanwhile, and the load was another one than it says. """

import re
import shutil
import subprocess
import time

from world import CLIENT_CORE, Window, add, histogram_quantile, memory_kib, metrics, pinned, total, wait_until_seen

TITLE = "Pending at the default band (5 to 10 s), the daemon on one core"
BAND_MEAN = 7.5
REFERENCE_RATE = 121_000  # wrk's requests a second where the targets were set


def wrk_rate(world):
    url = f"https://localhost:{world.pending}/widget/transactions/550e8400-e29b-41d4-a716-446655440000"
    done = subprocess.run(pinned(CLIENT_CORE, ["wrk", "-t1", "-c64", f"-d{2 if world.quick else 5}s", url]),
                          capture_output=True, text=True, timeout=60, check=True)
    return float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout).group(1))


def measure(world, pending):
    daemon = world.daemon("scale", world.pending)
    world.start(daemon)
    pid = daemon.process.pid
    empty = memory_kib(pid)
    add(daemon, pending)
    wait_until_seen(daemon, pending)
    time.sleep(2 if world.quick else 10)  # the herd of the import has spread
    before, server = metrics(daemon), world.server_cpu()
    with Window(world, pid) as window:
        time.sleep(5 if world.quick else 15)
    after, server = metrics(daemon), world.server_cpu() - server
    rss = memory_kib(pid)
    daemon.stop(timeout=120)
    shutil.rmtree(daemon.folder)
    lag = "prooftrackd_poll_lag_seconds"
    return {"pending": pending, "wanted_per_second": pending / BAND_MEAN,
            "made_per_second":
                (total(after, "prooftrackd_polls_total") - total(before, "prooftrackd_polls_total")) / window.seconds,
            "lateness_p50_ms": (histogram_quantile(before, after, lag, 0.50) or 0) * 1000,
            "lateness_p99_ms": (histogram_quantile(before, after, lag, 0.99) or 0) * 1000,
            "core_percent": window.cpu / window.seconds * 100, "server_percent": server / window.seconds * 100,
            "rss_bytes_each": (rss - empty) * 1024 / pending, "foreign": window.foreign}


def measure_as_heavy(world, pending):
    before = wrk_rate(world)
    figures = measure(world, round(pending * before / REFERENCE_RATE))
    return {**figures, "wrk_before": before, "wrk_after": wrk_rate(world)}


def run(world):
    if world.quick:
        return {"20 k": measure(world, 20_000), "as heavy as 100 k": measure_as_heavy(world, 100_000)}
    return {"100 k": measure(world, 100_000),
            "as heavy as 500 k": measure_as_heavy(world, 500_000),
            "as heavy as 1 M": measure_as_heavy(world, 1_000_000),
            "500 k": measure(world, 500_000), "1 M": measure(world, 1_000_000)}


def derive(rounds):
    return {f"{name}: {key}": [one[name][key] for one in rounds] for name in rounds[0]
            for key in ("lateness_p99_ms", "rss_bytes_each")}


TARGETS = [(f"{name}500 k: lateness_p99_ms", "<=", 50) for name in ("as heavy as ", "")] \
    + [(f"{name}1 M: lateness_p99_ms", "<=", 100)
       for name in ("as heavy as ", "")] + [("1 M: rss_bytes_each", "<=", 160)]
