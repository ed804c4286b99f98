"""What the measurements of a cluster share: nginx as Proof, which logs the node of each poll, a PostgreSQL that writes
to its disk as in operation, and nodes on it."""

import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import report
from world import World, free_port, percentile, wait_until

from cluster_harness import NAMES, Cluster  # of tests/system, whose path world adds
from postgres_server import MISSING, PROGRAMS, PostgresServer

# Ids that begin with "ends-" are completed, the others pending for ever.
PENDING = ('{"merchant_transaction_id":"$1","status":"pending","type":"deposit","fiat_amount":"125.50",'
           '"fiat_currency":"EUR","crypto_amount":"0.00210000","crypto_currency":"BTC",'
           '"created_at":"2026-04-01T10:00:00.000Z","updated_at":"2026-04-01T10:03:45.120Z"}')
COMPLETED = PENDING.replace("pending", "completed")
PROOF = """log_format polls '$msec $http_authorization $uri';
  server { listen 127.0.0.1:PORT ssl backlog=4096; server_name localhost; keepalive_requests 1000000000; access_log LOG;
    location ~ ^/widget/transactions/(ends-[^/]+)$ { return 200 'COMPLETED'; }
    location ~ ^/widget/transactions/([^/]+)$ { return 200 'PENDING'; } }
""".replace("COMPLETED", COMPLETED).replace("PENDING", PENDING)


class Polls:
    """nginx' log of polls, read on from where it was."""

    def __init__(self, path):
        self.path, self.at, self.rest = path, 0, ""

    def fresh(self):
        """[(unix seconds, node, id)] since the last call; nginx writes its log up to 0.2 s behind."""
        with open(self.path, encoding="latin-1") as file:
            file.seek(self.at)
            text = self.rest + file.read()
            self.at = file.tell()
        *lines, self.rest = text.split("\n")
        found = []
        for line in lines:
            at, _, token, target = line.split(" ")
            found.append((float(at), token.removeprefix("token-of-"), target.rsplit("/", 1)[1]))
        return found

    def skip(self):
        """What was written until now is not given."""
        self.fresh()


class SkewedClock:
    """A library that makes a program's wall clock wrong, and no other clock; needs a C compiler."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ptb-", dir="/tmp")
        self.library = Path(self.folder.name) / "skewed_clock.so"
        compiler = shutil.which("cc")
        self.is_there = compiler is not None
        if compiler:
            subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", self.library,
                            Path(__file__).with_name("skewed_clock.c")], check=True, timeout=60)

    def environment(self, seconds):
        return {**os.environ, "LD_PRELOAD": str(self.library), "SKEWED_CLOCK_S": str(seconds)}


class ClusterWorld(World):
    """World with a Proof that knows the nodes, and a PostgreSQL. `durable`: fsync as in operation. `followed`: it has a
    synchronous standby, which the nodes' URL names as well."""

    def __init__(self, interval, logged=True, relayed=False, names=NAMES, durable=True, extensions=(), followed=False,
                 connections=None):
        super().__init__()
        if not PROGRAMS:
            raise SystemExit(MISSING)
        self.connections = {"connections": connections} if connections else {}
        self.interval, self.logged, self.relayed, self.names = interval, logged, relayed, names
        self.postgres_options = ["-c", f"fsync={'on' if durable else 'off'}", "-c", "max_connections=100",
                                 "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB"]
        if followed:  # one that comes back finds its primary at once, and all that it missed
            self.postgres_options += ["-c", "wal_retrieve_retry_interval=200ms", "-c", "wal_keep_size=1GB"]
        if extensions:
            self.postgres_options += ["-c", f"shared_preload_libraries={','.join(extensions)}"]
        self.followed = followed
        self.postgres = self.standby = self.cluster = None

    def __enter__(self):
        super().__enter__()
        try:
            self.proof = free_port()
            log = f"{self.folder}/polls.log polls buffer=64k flush=200ms" if self.logged else "off"
            config = self.folder / "nginx.conf"
            whole = config.read_text().rstrip()
            assert whole.endswith("}")
            config.write_text(whole[:-1] + PROOF.replace("PORT", str(self.proof)).replace("LOG", log) + "}\n")
            self.nginx.send_signal(signal.SIGHUP)
            wait_until(lambda: self.listens(self.proof), 10, "nginx with Proof")
            (self.folder / "polls.log").touch()
            self.polls = Polls(self.folder / "polls.log")
            self.postgres = PostgresServer(free_port())
            self.postgres.start(*self.postgres_options)
            if self.followed:
                self.add_standby(free_port())
            self.cluster = self.make_cluster("cluster", self.names)
        except BaseException:
            self.__exit__()
            raise
        return self

    def add_standby(self, port):
        """From now on it has each commit before that is acknowledged. The setting is not copied to the standby: when
        it is promoted, it waits for nobody."""
        self.standby = PostgresServer(port, primary=self.postgres)
        self.standby.start(*self.postgres_options)
        self.postgres.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.postgres.sql("SELECT pg_reload_conf()")
        self.wait_followed()

    def wait_followed(self):
        """Until the standby has all that is committed."""
        wait_until(lambda: self.postgres.sql("SELECT state, sync_state FROM pg_stat_replication") == "streaming|sync",
                   30, "a synchronous standby")

    def fail_over(self, after):
        """The primary is lost, the standby takes over so many seconds later, and gets a standby at the former port."""
        self.wait_followed()
        lost, self.postgres, self.standby = self.postgres, self.standby, None
        self.cluster.server = self.postgres
        lost.kill()
        time.sleep(after)
        self.postgres.promote()
        lost.remove()
        self.add_standby(lost.port)

    def make_cluster(self, database, names):
        return Cluster(self.postgres, database, names, self.interval, "warning", self.relayed, self.standby,
                       proof={"base_url": f"https://localhost:{self.proof}", "ca_file": str(self.folder / "cert.pem"),
                              **self.connections},
                       callback=[self.webhook()])

    def __exit__(self, *rest):
        if self.cluster:
            self.cluster.close()
        for server in (self.standby, self.postgres):
            if server:
                server.remove()
        super().__exit__(*rest)

    def import_ids(self, count, prefix="waits", node=None):
        """By all nodes in turn, or by one."""
        for number, at in enumerate(range(0, count, 100_000)):
            lines = range(at, min(at + 100_000, count))
            body = "".join(f'"{prefix}-{one:07}"\n' for one in lines).encode()
            name = node or self.names[number % len(self.names)]
            reply = self.cluster[name].api("POST", "/v1/transactions", body, {"Content-Type": "application/x-ndjson"},
                                           timeout=300)
            assert reply.status == 200 and reply.json["created"] == len(lines), reply

    def wait_each_polled(self, count, timeout):
        """{id: the node that asked last}, when each was polled since now."""
        owners = {}
        self.polls.skip()

        def look():
            owners.update((one, node) for _, node, one in self.polls.fresh())
            return len(owners) >= count or time.sleep(0.1)
        wait_until(look, timeout, f"{count} ids polled")
        return owners


def seconds_of(interval):
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    return [float(re.match(r"[\d.]+", one).group(0)) * units[re.search(r"[a-z]+", one).group(0)] for one in interval]


def spread(values):
    return {"p50_s": statistics.median(values), "p99_s": percentile(values, 0.99), "max_s": max(values)}


def write(name, title, figures, targets, quick, arguments):
    """results/cluster_NAME.json and .md. Targets: (what, sign, bound, measured). Gives those that were missed."""
    section = SimpleNamespace(TITLE=title, TARGETS=[one[:3] for one in targets],
                              derive=lambda _: {what: [value] for what, _, _, value in targets})
    done = {name: report.summary(section, [figures])}
    about = report.about_now("tests/bench/cluster.py " + " ".join(arguments), 1, quick)
    about["machine"]["postgresql"] = report.output(str(PROGRAMS / "postgres"), "--version")
    report.write_files(f"cluster_{name}" + ("-quick" if quick else ""), done, about)
    return report.missed_in(done)
