"""Events recorded and delivered to a local receiver: as many as go, and the time from the event to its delivery at
1,000 a second."""

import shutil
import time

from world import Window, add

TITLE = "Callbacks"


def measure(world, name, count, max_rate):
    """Every id's first reply is `completed`: one event and one delivery each. The event's time is in its id (ms)."""
    log = world.folder / "arrivals.log"
    seen = len(world.arrivals()) if log.exists() else 0
    daemon = world.daemon(name, world.completed, callbacks=[world.webhook()],
                          poll={"interval": ["1s", "2s"], "max_rate": max_rate})
    world.start(daemon)
    with Window(world, daemon.process.pid) as window:
        add(daemon, count)
        added = time.time()
        until = time.monotonic() + 120
        while daemon.status()["callbacks"][0]["backlog"] > 0 or daemon.status()["events"]["last_seq"] < count:
            assert time.monotonic() < until, daemon.status()
            time.sleep(0.05)
    daemon.stop()
    shutil.rmtree(daemon.folder)
    arrivals = world.arrivals()[seen:]
    first = {}
    for at, event in arrivals:
        first.setdefault(event, at)
    assert len(first) == count, (len(first), count)
    made = {event: int(event[4:16], 16) / 1000 for event in first}
    # While the ids are still being added the commits are theirs: waits are those of the events after that.
    waits = sorted((at - made[event]) * 1000 for event, at in first.items() if made[event] > added)
    times = sorted(first.values())
    return {"per_second": count / (times[-1] - min(made.values())), "p50_ms": waits[len(waits) // 2],
            "p99_ms": waits[len(waits) * 99 // 100], "max_ms": waits[-1], "cpu_us": window.cpu / count * 1e6,
            "repeats": len(arrivals) - count, "foreign": window.foreign}


def run(world):
    return {"as many as go": measure(world, "flood", 10_000 if world.quick else 40_000, 0),
            "1,000 a second": measure(world, "steady", 3_000 if world.quick else 10_000, 1_000)}


def derive(rounds):
    return {"as many as go: events a second": [one["as many as go"]["per_second"] for one in rounds],
            "1,000 a second: p99, ms": [one["1,000 a second"]["p99_ms"] for one in rounds]}


TARGETS = [("as many as go: events a second", ">=", 5_000), ("1,000 a second: p99, ms", "<=", 50)]
