"""What the daemon costs with nothing to do, and with 100 pending at the default band."""

import shutil
import time

from world import Window, add, memory_kib, voluntary_switches

TITLE = "Idle: CPU, wake-ups a second, memory"


def measure(world, name, pending):
    daemon = world.daemon(name, world.pending)
    world.start(daemon)
    if pending:
        add(daemon, pending)
    time.sleep(6 if pending else 2)  # past the start's own work
    pid = daemon.process.pid
    before = voluntary_switches(pid)
    with Window(world, pid) as window:
        time.sleep(8 if world.quick else 20)
    wakes = voluntary_switches(pid) - before
    memory = memory_kib(pid) / 1024
    daemon.stop()
    shutil.rmtree(daemon.folder)
    return {"wakeups_per_second": wakes / window.seconds, "cpu_percent": window.cpu / window.seconds * 100,
            "rss_mib": memory, "foreign": window.foreign}


def run(world):
    return {"0 pending": measure(world, "idle0", 0), "100 pending": measure(world, "idle100", 100)}


def derive(rounds):
    return {"0 pending: wake-ups a second": [one["0 pending"]["wakeups_per_second"] for one in rounds],
            "0 pending: RSS, MiB": [one["0 pending"]["rss_mib"] for one in rounds]}


TARGETS = [("0 pending: wake-ups a second", "<=", 2), ("0 pending: RSS, MiB", "<=", 20)]
