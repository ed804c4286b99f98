"""Many pending at the default band on one core: polls wanted and made, lateness, share of a core, memory a transaction."""

import shutil
import time

from world import Window, add, histogram_quantile, memory_kib, metrics, total, wait_until_seen

TITLE = "Pending at the default band (5 to 10 s), the daemon on one core"
BAND_MEAN = 7.5


def measure(world, pending, depth):
    daemon = world.daemon("scale", world.pending, proof={"pipeline_depth": depth})
    world.start(daemon)
    pid = daemon.process.pid
    empty = memory_kib(pid)
    add(daemon, pending)
    wait_until_seen(daemon, pending)
    time.sleep(2 if world.quick else 10)  # the herd of the import has spread
    before = metrics(daemon)
    with Window(world, pid) as window:
        time.sleep(5 if world.quick else 15)
    after = metrics(daemon)
    rss = memory_kib(pid)
    daemon.stop(timeout=120)
    shutil.rmtree(daemon.folder)
    lag = "prooftrackd_poll_lag_seconds"
    return {"wanted_per_second": pending / BAND_MEAN,
            "made_per_second": (total(after, "prooftrackd_polls_total") - total(before, "prooftrackd_polls_total")) / window.seconds,
            "lateness_p50_ms": (histogram_quantile(before, after, lag, 0.50) or 0) * 1000,
            "lateness_p99_ms": (histogram_quantile(before, after, lag, 0.99) or 0) * 1000,
            "core_percent": window.cpu / window.seconds * 100, "rss_bytes_each": (rss - empty) * 1024 / pending, "foreign": window.foreign}


def run(world):
    if world.quick:
        return {"20 k": measure(world, 20_000, 1), "50 k, depth 16": measure(world, 50_000, 16)}
    return {"100 k": measure(world, 100_000, 1), "500 k": measure(world, 500_000, 1), "1 M, depth 16": measure(world, 1_000_000, 16)}


def derive(rounds):
    return {f"{name}: {key}": [one[name][key] for one in rounds] for name in rounds[0] for key in ("lateness_p99_ms", "rss_bytes_each")}


TARGETS = [("500 k: lateness_p99_ms", "<=", 50), ("1 M, depth 16: lateness_p99_ms", "<=", 100), ("1 M, depth 16: rss_bytes_each", "<=", 160)]
