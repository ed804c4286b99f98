"""A PostgreSQL for a test: Debian's programs, run as an ordinary user in a folder that goes with the test."""

import os
import pwd
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

from harness import wait_until

PROGRAMS = next((path for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
                 if (path / "initdb").exists()), None)
MISSING = "PostgreSQL's programs are needed (Debian: postgresql)"


class PostgresServer:
    """On a Unix socket in `folder`, and with `port` on loopback. `trust` lets everybody in without a password. With
    `primary`, a running server, it is a standby that follows that one."""

    def __init__(self, port=None, trust=True, primary=None):
        self.folder = Path(tempfile.mkdtemp(prefix="pt-pg-", dir="/tmp"))
        self.port = port
        self.process = None
        self.user = {}
        if os.geteuid() == 0:  # PostgreSQL does not run as root
            account = pwd.getpwnam("nobody")
            self.user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        if primary:
            self.run("pg_basebackup", "-D", self.folder / "data", "-h", primary.folder, "-p", str(primary.port or 5432),
                     "-U", "postgres", "-X", "stream", "-c", "fast", "-R", "--no-sync")
            return
        self.run("initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        if not trust:
            (self.folder / "data" / "pg_hba.conf").write_text(
                "local all postgres trust\nlocal all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n")

    def run(self, name, *arguments):
        """One of PostgreSQL's programs, as the server's user."""
        done = subprocess.run([PROGRAMS / name, *arguments], capture_output=True, text=True, timeout=60, cwd="/",
                              **self.user)
        assert done.returncode == 0, done.stderr

    def start(self, *arguments):
        listen = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}"] if self.port else \
            ["-c", "listen_addresses="]
        own_memory = ["-c", "dynamic_shared_memory_type=mmap"]  # in its folder: one that is killed leaves nothing
        where = ["-D", self.folder / "data", "-k", self.folder, *listen]
        log_path = self.folder / "log"
        seen = log_path.stat().st_size if log_path.exists() else 0
        with open(log_path, "ab") as log:
            self.process = subprocess.Popen([PROGRAMS / "postgres", *where, "-F", *own_memory, *arguments],
                                            stdout=log, stderr=log, cwd="/", **self.user)
        wait_until(lambda: self.process.poll() is not None or
                   b"ready to accept " in log_path.read_bytes()[seen:], 30, "the database")
        assert self.process.poll() is None, log_path.read_text()
        return self

    def stop(self, how=signal.SIGINT):
        """Ends all sessions at once; what was committed stays."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def kill(self):
        """As when its machine is lost: none of its processes does anything more."""
        lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
        children = self.children()
        self.process.kill()
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(10)
        subprocess.run(["ipcrm", "-m", lines[6].split()[1]], capture_output=True, timeout=10)  # it cannot any more

    def children(self):
        """The ids of the processes that serve its sessions and write for it."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            if parent == self.process.pid:
                found.append(int(stat.parent.name))
        return found

    def promote(self):
        """Of a standby: it takes over, with what it has received."""
        self.run("pg_ctl", "-D", self.folder / "data", "-w", "promote")

    def remember(self):
        """What a stopped server has, for `go_back`."""
        subprocess.run(["cp", "-a", self.folder / "data", self.folder / "former"], check=True, timeout=60)

    def go_back(self):
        """Of a stopped server, to what it was when it was asked to remember."""
        shutil.rmtree(self.folder / "data")
        (self.folder / "former").rename(self.folder / "data")

    def place(self, path, name):
        """A copy of a file that belongs to the server's user."""
        target = self.folder / name
        shutil.copy(path, target)
        target.chmod(0o600)
        if self.user:
            os.chown(target, self.user["user"], self.user["group"])
        return target

    def remove(self):
        self.stop(signal.SIGQUIT)  # without writing everything out first
        shutil.rmtree(self.folder, True)

    def sql(self, text, database="postgres"):
        where = ["-h", self.folder, "-p", str(self.port or 5432), "-U", "postgres", "-d", database]
        done = subprocess.run([PROGRAMS / "psql", "-X", "-A", "-t", "-q", *where, "-v", "ON_ERROR_STOP=1", "-c", text],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


class CommitCutter:
    """A proxy that cuts a connection when COMMIT comes: with `armed` "before" it is not passed on, with "after" it is,
    but its answer is not. It may also say another server process than the one behind it, as a pooler does."""

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.armed = None
        self.poses_as_pooler = False
        self.cuts = 0
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with socket.create_connection(outer.target) as server:
                    answers = threading.Thread(target=outer.pump, args=(server, self.request, outer.change_key))
                    answers.start()
                    outer.pump(self.request, server, lambda data: outer.look(data, server, self.request))
                    answers.join()

        class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @staticmethod
    def pump(source, sink, change):
        try:
            while data := source.recv(65536):
                sink.sendall(change(data))
        except (OSError, ConnectionError):
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def look(self, data, server, client):
        if self.armed is None or b"COMMIT\0" not in data:
            return data
        how, self.armed = self.armed, None
        self.cuts += 1
        client.shutdown(socket.SHUT_RDWR)  # no answer comes through any more
        if how == "after":
            server.sendall(data)
        raise ConnectionError

    def change_key(self, data):
        at = data.find(b"K\0\0\0\x0c") if self.poses_as_pooler else -1
        return data if at < 0 else data[:at + 5] + struct.pack(">i", 77) + data[at + 9:]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
