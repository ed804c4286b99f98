"""From Proof's change to the delivered callback: by polling, against the theory of the band, and by hint."""

import random
import shutil
import time

from harness import Sandbox, wait_until
from world import Window, uuids

TITLE = "Detection: Proof's change to the delivered callback, seconds"


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def theory(low, high, share, samples=200_000):
    """The wait from a random instant to the next poll when gaps are uniform in the band: a gap is met in proportion to
    its length."""
    source = random.Random(1)
    waits = []
    while len(waits) < samples:
        gap = source.uniform(low, high)
        if source.uniform(0, high) < gap:
            waits.append(source.uniform(0, gap))
    return quantile(waits, share)


def delivered(world, ids, seen, timeout):
    """The arrivals after the first `seen`, once as many webhooks came as there are ids."""
    wait_until(lambda: len(world.arrivals()) - seen >= len(ids), timeout, "the callbacks")
    return world.arrivals()[seen:]


def run(world):
    low, high = (1, 2) if world.quick else (5, 10)
    count = 100 if world.quick else 400
    sandbox = Sandbox(world.folder / "proof", "--accept-any").start()
    world.started.append(sandbox.process.popen)
    daemon = world.daemon("detection", world.pending, callbacks=[world.webhook()],
                          poll={"interval": [f"{low}s", f"{high}s"]})
    daemon.config["proof"].update({"base_url": sandbox.base_url, "ca_file": sandbox.ca_file,
                                   "token_file": str(sandbox.folder / "client_token")})
    world.start(daemon)
    ids = list(uuids(count, 0x770E8400))
    for at in range(0, count, 20):  # over one band, so that the polls have no common phase
        daemon.import_ids(ids[at:at + 20])
        time.sleep(high * 20 / count)
    time.sleep(high)
    seen = len(world.arrivals())
    with Window(world, daemon.process.pid) as window:
        sandbox.set_many({one: {"status": "completed"} for one in ids})
        changed = time.time()
        waits = [at - changed for at, _ in delivered(world, ids, seen, high * 3)]
    seen = len(world.arrivals())
    hinted, hint_waits = list(uuids(20 if world.quick else 60, 0x880E8400)), []
    daemon.import_ids(hinted)
    time.sleep(1.5)
    sent = {}
    for one in hinted:
        sandbox.set(one, "completed")
        sent[one] = time.time()
        reply = daemon.api("POST", "/v1/hints", {"merchant_transaction_id": one})
        assert reply.status == 202, reply
    arrivals = dict((event, at) for at, event in delivered(world, hinted, seen, 30))
    for event in daemon.events():
        if event["id"] in arrivals and event["data"]["merchant_transaction_id"] in sent:
            hint_waits.append(arrivals[event["id"]] - sent[event["data"]["merchant_transaction_id"]])
    daemon.stop()
    shutil.rmtree(daemon.folder)
    return {f"by polling every {low} to {high} s": {"p50": quantile(waits, 0.5), "p99": quantile(waits, 0.99),
                                                    "theory_p50": theory(low, high, 0.5),
                                                    "theory_p99": theory(low, high, 0.99), "foreign": window.foreign},
            "by hint": {"p50": quantile(hint_waits, 0.5), "p99": quantile(hint_waits, 0.99)}}


def derive(rounds):
    return {f"{name}: p50": [one[name]["p50"] for one in rounds] for name in rounds[0]}


TARGETS = []
