"""What every section needs: nginx as Proof and as the merchant, the daemon, CPU times, and how busy others kept the
machine."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from harness import Daemon, new_secret, program, wait_until  # noqa: E402

HERE = Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")
SERVER_CORE, CLIENT_CORE = 0, max(0, (os.cpu_count() or 1) - 1)

NGINX = """
worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log; daemon off; worker_rlimit_nofile 65536;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_timeout 300s; default_type application/json;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fcgi; uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem; ssl_protocols TLSv1.3; ssl_session_cache shared:s:10m;
  log_format arrivals '$msec $http_webhook_id';
  map $status $is_odd {{ 200 0; default 1; }}
  {servers}
  server {{ listen 127.0.0.1:{receiver}; keepalive_requests 1000000000; access_log {dir}/arrivals.log arrivals buffer=64k flush=200ms; location / {{ return 204; }} }}
  server {{ listen 127.0.0.1:{counter}; keepalive_requests 1000000000; stub_status; }}
}}
"""
PROOF = """server {{ listen 127.0.0.1:{port} ssl {http2} backlog=4096; server_name localhost; keepalive_requests {requests}; access_log {dir}/odd.log combined if=$is_odd;
    location ~ ^/widget/transactions/([^/]+)$ {{ return 200 '{{"merchant_transaction_id":"$1","status":"{status}","type":"deposit","fiat_amount":"125.50","fiat_currency":"EUR","crypto_amount":"0.00210000","crypto_currency":"BTC","created_at":"2026-04-01T10:00:00.000Z","updated_at":"2026-04-01T10:03:45.120Z"}}'; }} }}"""


def bench_program(name):
    return os.path.join(os.path.dirname(os.path.dirname(program("proof-sandbox"))), "tests", "bench", name)


def free_port():
    import socket
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def uuids(count, prefix):
    return (f"{prefix:08x}-e29b-41d4-a716-{n:012x}" for n in range(count))


def process_cpu(pid):
    """CPU seconds of the process, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def machine_busy():
    fields = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / TICK


def memory_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1))


def voluntary_switches(pid):
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M).group(1))
               for task in Path(f"/proc/{pid}/task").iterdir())


def pinned(core, command):
    return ["taskset", "-c", str(core), *command]


class World:
    """A throw-away folder with nginx in it. Use as a context manager: whatever was started is ended by its pid."""

    def __init__(self, quick=False):
        self.quick = quick
        self.started = []
        self.counter_asked = 0
        self.environment_of_openssl = None  # by whose clock the certificate begins

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ptb-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.pending, self.completed, self.http2, self.short_lived = (free_port() for _ in range(4))
        self.receiver, self.counter = free_port(), free_port()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.folder / "key.pem",
                        "-out", self.folder / "cert.pem"], check=True, capture_output=True, timeout=30,
                       env=self.environment_of_openssl)
        (self.folder / "token").write_text("bench-token\n")
        (self.folder / "token").chmod(0o600)
        self.secret = self.folder / "secret"
        self.secret.write_text(new_secret() + "\n")
        self.secret.chmod(0o600)
        endless = 1_000_000_000
        servers = "".join(PROOF.format(dir=self.folder, port=port, status=status, http2=http2, requests=requests)
                          for port, status, http2, requests in
                          ((self.pending, "pending", "", endless), (self.completed, "completed", "", endless),
                           (self.http2, "pending", "http2", endless),  # which speaks HTTP/1.1 as well
                           (self.short_lived, "pending", "http2", 20)))
        (self.folder / "nginx.conf").write_text(NGINX.format(dir=self.folder, servers=servers, receiver=self.receiver,
                                                             counter=self.counter))
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        log = open(self.folder / "nginx.out", "wb")
        self.nginx = subprocess.Popen(pinned(SERVER_CORE,
                                             [nginx, "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)]),
                                      stdout=log, stderr=log)
        self.started.append(self.nginx)
        wait_until(lambda: self.listens(self.pending), 10, "nginx")
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGCONT)  # a stopped one hears nothing
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(10)
        shutil.rmtree(self.folder, True)

    @staticmethod
    def listens(port):
        import socket
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    def daemon(self, name, port, callbacks=(), proof=None, poll=None, max_clients=256):
        """A daemon with a folder of its own, not started."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "state").mkdir(mode=0o700, exist_ok=True)
        config = {"proof": {"base_url": f"https://localhost:{port}", "token_file": str(self.folder / "token"),
                            "ca_file": str(self.folder / "cert.pem"), **(proof or {})},
                  "store": {"path": str(folder / "state" / "prooftrackd.db")},
                  "api": {"socket": str(folder / "api.sock"), "max_clients": max_clients},
                  "poll": {**(poll or {})}, "log": {"format": "logfmt", "level": "warning"}}
        if callbacks:
            config["callback"] = list(callbacks)
        return Daemon(folder, config)

    def start(self, daemon, wait=True, pin=True):
        """On the clients' core alone, unless `pin` is false."""
        daemon.start(wait)
        self.started.append(daemon.process.popen)
        if not pin:
            return daemon
        subprocess.run(["taskset", "-a", "-c", "-p", str(CLIENT_CORE), str(daemon.process.pid)], check=True,
                       capture_output=True)
        return daemon

    def relay(self, port, round_trip_ms):
        """A relay to nginx's port that takes as long as a far-away Proof: (its port, its pid)."""
        listen = free_port()
        relay = subprocess.Popen(pinned(SERVER_CORE, [bench_program("far_relay"), str(listen), str(port),
                                                      str(round_trip_ms)]))
        self.started.append(relay)
        wait_until(lambda: self.listens(listen), 10, "far_relay")
        return listen, relay.pid

    def odd_replies(self):
        """Lines of what Proof's stand-in answered with anything but 200."""
        return (self.folder / "odd.log").read_text().splitlines()

    def server_workers(self):
        return [int(pid) for pid in subprocess.run(["pgrep", "-P", str(self.nginx.pid)], capture_output=True, text=True,
                                                   timeout=10).stdout.split()]

    def server_cpu(self):
        return sum(process_cpu(pid) for pid in self.server_workers())

    def server_counts(self):
        """nginx' counts so far, without those that ask this: (connections open, requests answered)."""
        self.counter_asked += 1
        with urllib.request.urlopen(f"http://127.0.0.1:{self.counter}/", timeout=10) as reply:
            lines = reply.read().decode().split("\n")
        return int(lines[0].split()[-1]) - 1, int(lines[2].split()[2]) - self.counter_asked

    def requests_answered(self):
        return self.server_counts()[1]

    def webhook(self):
        return {"name": "backend", "url": f"http://127.0.0.1:{self.receiver}/hooks/proof",
                "secret_file": str(self.secret), "max_in_flight": 64}

    def arrivals(self):
        """(unix seconds, event id) of each webhook that nginx got; after its log is flushed."""
        time.sleep(0.4)  # nginx writes the log behind: flush=200ms
        lines = (self.folder / "arrivals.log").read_text().splitlines()
        return [(float(at), event) for at, event in (line.split() for line in lines)]


def import_bodies(count, prefix=0x550E8400):
    """NDJSON of bare ids, 100,000 lines each: (lines, bytes)."""
    lines = [f'"{one}"\n' for one in uuids(count, prefix)]
    return [(len(lines[at:at + 100_000]), "".join(lines[at:at + 100_000]).encode()) for at in range(0, count, 100_000)]


def post_bodies(daemon, bodies):
    for lines, body in bodies:
        reply = daemon.api("POST", "/v1/transactions", body, {"Content-Type": "application/x-ndjson"}, timeout=300)
        assert reply.status == 200 and reply.json["created"] == lines, reply


def add(daemon, count):
    post_bodies(daemon, import_bodies(count))


def wait_until_seen(daemon, count, timeout=300):
    """Until every id's first reply is recorded: from then on a reply is unchanged, and polls are only polls."""
    wait_until(lambda: daemon.status()["transactions"]["by_status"].get("pending", 0) >= count or time.sleep(0.3),
               timeout, "all seen")


def metrics(daemon):
    """name{labels} -> value of every sample."""
    text = daemon.api("GET", "/metrics", timeout=60).body.decode()
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)", text, re.M)}


def total(samples, name):
    return sum(value for key, value in samples.items() if key.split("{")[0] == name)


def histogram_quantile(before, after, name, share):
    """The quantile of what a histogram got between two readings, linear within its bucket, in its unit."""
    bounds = []
    for key, value in after.items():
        found = re.fullmatch(rf'{name}_bucket\{{.*le="([^"]+)".*\}}', key)
        if found:
            bounds.append((float(found.group(1).replace("+Inf", "inf")), value - before.get(key, 0)))
    bounds.sort()
    if not bounds or bounds[-1][1] == 0:
        return None
    wanted, low, seen = share * bounds[-1][1], 0.0, 0.0
    for bound, count in bounds:
        if count >= wanted:
            return low if bound == float("inf") else low + (bound - low) * ((wanted - seen) / max(count - seen, 1e-9))
        low, seen = bound, count
    return low


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def maintenance(daemon, on):
    assert daemon.api("PUT", "/v1/maintenance", {"on": on}).status == 200


def show(what, figures):
    print(f"   {what}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()), flush=True)


class Window:
    """Measures between `with` and its end: wall time, the first process' CPU, and what others took of the machine.
    Ours are `pids`, which live through it, this one, the children that it waited for, and nginx, if there is a world.
    """

    def __init__(self, world, *pids):
        self.pids = list(pids) + [os.getpid()]
        self.pids += world.server_workers() if world else []

    def _own(self):
        children = os.times()
        return sum(process_cpu(pid) for pid in self.pids) + children.children_user + children.children_system

    def __enter__(self):
        self.start, self.cpu0, self.own0, self.busy0 = (
            time.monotonic(), process_cpu(self.pids[0]), self._own(), machine_busy())
        return self

    def __exit__(self, kind, *_):
        if kind:
            return
        self.seconds = time.monotonic() - self.start
        self.cpu = process_cpu(self.pids[0]) - self.cpu0
        foreign = machine_busy() - self.busy0 - (self._own() - self.own0)
        self.foreign = max(0.0, foreign / self.seconds / (os.cpu_count() or 1))
