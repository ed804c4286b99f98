"""A start with many pending: until the socket answers, the first poll, and as many polls as there are ids."""

import shutil
import time

from harness import wait_until
from world import Window, add, memory_kib, metrics, total

TITLE = "Restart with many pending, after a kill: seconds from exec"


def run(world):
    count = 50_000 if world.quick else 1_000_000
    daemon = world.daemon("restart", world.pending)
    world.start(daemon)
    empty = memory_kib(daemon.process.pid)
    add(daemon, count)
    each = (memory_kib(daemon.process.pid) - empty) * 1024 / count
    daemon.kill()
    begun = time.monotonic()
    world.start(daemon, wait=False)
    with Window(world, daemon.process.pid) as window:
        wait_until(daemon.answers, 120, "the socket")
        ready = time.monotonic() - begun
        wait_until(lambda: total(metrics(daemon), "prooftrackd_polls_total") > 0, 60, "the first poll")
        first = time.monotonic() - begun
        try:
            wait_until(lambda: total(metrics(daemon), "prooftrackd_polls_total") >= count, 60, "all seen again")
            whole = time.monotonic() - begun
        except AssertionError:
            whole = None  # a machine that cannot make that many polls in time
        after = (memory_kib(daemon.process.pid) - empty) * 1024 / count
    daemon.stop(timeout=120)
    shutil.rmtree(daemon.folder)
    return {f"{count:,} pending": {"ready_s": ready, "first_poll_s": first, "as_many_polls_as_ids_s": whole,
                                    "rss_bytes_each_imported": each, "rss_bytes_each_restarted": after,
                                   "foreign": window.foreign}}


def derive(rounds):
    name = next(iter(rounds[0]))
    return {f"{name}: first poll, s": [one[name]["first_poll_s"] for one in rounds],
            f"{name}: RSS bytes each": [one[name]["rss_bytes_each_restarted"] for one in rounds]}


TARGETS = [("1,000,000 pending: first poll, s", "<=", 2), ("1,000,000 pending: RSS bytes each", "<=", 160)]
