#!/usr/bin/env python3
"""What two members of metadata cost the write path: adds, durable, with and without them.

    PROOFTRACK_BIN=.build/release python3 -B tests/bench/metadata_cost.py [ROUNDS]

Two daemons that poll nothing, one for each kind, so that their databases stay alike. A round imports 100,000 lines of
NDJSON and posts 20,000 transactions by 8 clients to each of them, in turns. Ids are random UUIDs, as Proof's are. The
daemons may use both cores. 2 minutes; writes results/metadata_cost.json and .md. """

import json
import random
import select
import sys
import time
import uuid
from types import SimpleNamespace

import report
from world import Window, World, maintenance, percentile, post_bodies, show  # before unix_http: it knows where that is
from unix_http import connect_unix

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
LINES = 100_000
POSTS = 20_000
CLIENTS = 8
CLIENTS_ROW = f"{CLIENTS} clients, one at a time"


def length_of(reply):
    """Bytes of a whole reply; 0 while its head is not there. Fails on anything but a 201."""
    end = reply.find(b"\r\n\r\n")
    if end < 0:
        return 0
    assert reply.startswith(b"HTTP/1.1 201"), reply
    head = reply[:end].lower()
    at = head.index(b"\r\ncontent-length:") + 17
    stop = head.find(b"\r\n", at)
    return end + 4 + int(head[at:stop if stop >= 0 else end])


def post_all(path, clients, bodies, waits):
    """Posts each of `bodies`, `clients` at once; puts the milliseconds of each into `waits`. Gives the seconds of all.
    """
    requests = [f"POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode() for body in bodies]
    poller, busy = select.epoll(), {}
    requests.reverse()
    began = time.monotonic()
    for _ in range(clients):
        client = connect_unix(path)
        client.sendall(requests.pop())
        busy[client.fileno()] = [client, time.monotonic(), b""]
        poller.register(client, select.EPOLLIN)
    while busy:
        for descriptor, _ in poller.poll(30):
            one = busy[descriptor]
            part = one[0].recv(65536)
            assert part, "closed"
            one[2] += part
            length = length_of(one[2])
            if not length or len(one[2]) < length:
                continue
            waits.append((time.monotonic() - one[1]) * 1000)
            if requests:
                one[1:] = time.monotonic(), b""
                one[0].sendall(requests.pop())
            else:
                poller.unregister(one[0])
                busy.pop(descriptor)[0].close()
    poller.close()
    return time.monotonic() - began


def spent(world, daemon, work):
    """What `work` gives, and the window of it, with what the daemon does behind the last reply."""
    with Window(world, daemon.process.pid) as window:
        took = work()
        time.sleep(1)
    return took, window


def imported(daemon, lines):
    began = time.monotonic()
    post_bodies(daemon, [(len(lines), "".join(lines).encode())])
    return time.monotonic() - began


def item(dice, number, has_metadata):
    one = {"merchant_transaction_id": str(uuid.UUID(int=dice.getrandbits(128), version=4))}
    if has_metadata:
        one["metadata"] = {"order": f"A-{number:07d}", "user": number % 50_000}
    return json.dumps(one)


def add(world, daemon, dice, has_metadata):
    tail = " with metadata" if has_metadata else ""
    lines = [item(dice, number, has_metadata) + "\n" for number in range(LINES)]
    took, window = spent(world, daemon, lambda: imported(daemon, lines))
    figures = {"import" + tail: {"per_second": LINES / took, "cpu_us": window.cpu / LINES * 1e6,
                                 "foreign": window.foreign}}
    bodies, waits = [item(dice, number, has_metadata) for number in range(POSTS)], []
    took, window = spent(world, daemon, lambda: post_all(daemon.socket, CLIENTS, bodies, waits))
    figures[CLIENTS_ROW + tail] = {"per_second": POSTS / took, "cpu_us": window.cpu / POSTS * 1e6,
                                   "p50_ms": percentile(waits, 0.5), "p99_ms": percentile(waits, 0.99),
                                   "foreign": window.foreign}
    return figures


def derive(rounds):
    """With metadata against without, within a round."""
    found = {}
    for what in ("import", CLIENTS_ROW):
        pairs = [(one[what + " with metadata"], one[what]) for one in rounds]
        found[f"{what}: time with metadata against without"] = [b["per_second"] / a["per_second"] for a, b in pairs]
        found[f"{what}: CPU with metadata against without"] = [a["cpu_us"] / b["cpu_us"] for a, b in pairs]
    return found


def main():
    dice, rounds = random.Random(7), []
    with World() as world:
        daemons = {}
        for has_metadata, name in ((False, "plain"), (True, "rich")):
            daemons[has_metadata] = world.start(world.daemon(name, world.pending), pin=False)
            maintenance(daemons[has_metadata], True)
        for number in range(ROUNDS):
            figures = {}
            for has_metadata in ((False, True) if number % 2 == 0 else (True, False)):
                figures.update(add(world, daemons[has_metadata], dice, has_metadata))
            rounds.append(dict(sorted(figures.items())))
            print(f"== round {number + 1} of {ROUNDS}")
            for what, line in rounds[-1].items():
                show(what, line)
        for daemon in daemons.values():
            daemon.stop()
    section = SimpleNamespace(TITLE="What two members of metadata cost the write path", derive=derive,
                              TARGETS=[(name, "<=", 1.1) for name in derive(rounds)])
    missed = report.write_alone("metadata_cost", {"writes": (section, rounds)})
    print(f"targets missed: {', '.join(missed) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
