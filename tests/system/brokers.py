"""Real brokers for the tests of the bridge: Debian's redis-server and rabbitmq-server on ports of loopback, in folders
of their own. Every process is ended by its own pid, or, of RabbitMQ, as the process group that it was started in. """

import os
import shutil
import signal
import socket
import subprocess
from operator import itemgetter
from pathlib import Path

from amqp_client import AmqpClient, AmqpError
from harness import Process, wait_until

RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # what Debian's /usr/sbin/rabbitmq-server starts as its own user


def why_no_redis():
    return None if shutil.which("redis-server") else "redis-server is not installed"


def why_no_rabbitmq():
    return None if os.path.exists(RABBITMQ) and shutil.which("epmd") else "rabbitmq-server is not installed"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class RedisError(Exception):
    pass


class Redis:
    """A server whose stream survives kill -9, and a client of it."""

    def __init__(self, folder, *options, tls=None):
        self.folder, self.options, self.tls = folder, list(options), tls
        self.port, self.tls_port = free_port(), free_port() if tls else None
        self.process = None

    def start(self):
        self.folder.mkdir(exist_ok=True)
        arguments = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder),
                     "--appendonly", "yes", "--appendfsync", "always", "--save", "", *self.options]
        if self.tls:
            arguments += ["--tls-port", str(self.tls_port), "--tls-cert-file", self.tls.certificate, "--tls-key-file",
                          self.tls.key, "--tls-auth-clients", "no"]
        self.process = Process(arguments, self.folder / "redis.log")
        wait_until(self.answers, 20, "redis-server")
        return self

    def answers(self):
        try:
            self.call("PING")
        except RedisError as error:
            return "NOAUTH" in str(error)
        except OSError:
            return False
        return True

    def call(self, *words, password=None):
        """One command on a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            stream = connection.makefile("rwb")
            for command in ([["AUTH", password]] if password else []) + [list(words)]:
                encoded = [str(word).encode() for word in command]
                stream.write(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded))
                stream.flush()
                reply = self.read(stream)
        return reply

    def read(self, stream):
        line = stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b"$":
            return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read(stream) for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def entries(self, stream, password=None):
        """The fields of each entry, in order."""
        found = self.call("XRANGE", stream, "-", "+", password=password)
        return [dict(zip(fields[::2], fields[1::2])) for _, fields in found]

    def unread(self):
        """Whether bytes have come that the server did not read."""
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return any(int(local.split(":")[1], 16) == self.port and int(queues.split(":")[1], 16) > 0
                   for local, state, queues in (itemgetter(1, 3, 4)(line.split()) for line in lines) if state == "01")

    def kill(self):
        self.process.kill()

    def stop(self):
        if self.process and self.process.alive():
            self.process.kill()


class RabbitMQ:
    """A node of its own, with an epmd of its own; user `shop`, password `hunter2`."""

    def __init__(self, folder, tls, ca_file):
        self.folder = folder
        self.port, self.tls_port, self.dist_port, self.epmd_port = (free_port() for _ in range(4))
        folder.mkdir()
        (folder / "rabbitmq.conf").write_text(f"""
            listeners.tcp.1 = 127.0.0.1:{self.port}
            listeners.ssl.1 = 127.0.0.1:{self.tls_port}
            ssl_options.cacertfile = {ca_file}
            ssl_options.certfile = {tls.certificate}
            ssl_options.keyfile = {tls.key}
            ssl_options.verify = verify_none
            default_user = shop
            default_pass = hunter2
            disk_free_limit.absolute = 1MB
            """.replace("            ", ""))
        (folder / "enabled_plugins").write_text("[].\n")
        (folder / "env.conf").write_text("")
        self.environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": str(folder),
            "ERL_EPMD_PORT": str(self.epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"pt{os.getpid()}@localhost", "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"), "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"), "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"), "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
        }
        self.node = self.epmd = None

    def start(self):
        log = open(self.folder / "console.log", "ab")
        with log:
            if self.epmd is None:
                self.epmd = subprocess.Popen(["epmd", "-port", str(self.epmd_port), "-address", "127.0.0.1"],
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
            self.node = subprocess.Popen([RABBITMQ], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         env=self.environment, start_new_session=True)
        wait_until(self.answers, 90, "rabbitmq-server")
        return self

    def answers(self):
        assert self.node.poll() is None, (self.folder / "console.log").read_text()[-3000:]
        try:
            with self.client():
                return True
        except (OSError, AmqpError):
            return False

    def client(self):
        return AmqpClient(self.port, "shop", "hunter2")

    def take_all(self, queue):
        """(routing key, properties, body) of each message in the queue, which is empty then."""
        with self.client() as client:
            return list(iter(lambda: client.get(queue), None))

    def kill(self):
        if self.node is not None and self.node.poll() is None:
            os.killpg(self.node.pid, signal.SIGKILL)
        if self.node is not None:
            self.node.wait(30)

    def stop(self):
        self.kill()
        if self.epmd is not None:
            self.epmd.kill()
            self.epmd.wait(10)
