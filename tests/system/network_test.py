#!/usr/bin/env python3
"""Addresses beyond loopback, in a network namespace of the test's own: plain http to private hosts, and metrics for
others."""

import ctypes
import http.client
import os
import shutil
import socket
import subprocess
import unittest

from harness import Process, Receiver, SystemCase, new_secret, program, wait_until

CLONE_NEWNET = 0x40000000
PRIVATE, PUBLIC, LINK_LOCAL, METADATA = "10.0.0.5", "8.8.8.8", "169.254.7.7", "169.254.169.254"
PRIVATE_6, PUBLIC_6 = "fd00::5", "2600::5"
MAY_MAKE_NAMESPACES = os.geteuid() == 0 and shutil.which("ip") and shutil.which("unshare")


def setUpModule():
    """Threads and processes that begin from here on live in a namespace with nothing but these addresses."""
    if not MAY_MAKE_NAMESPACES:
        raise unittest.SkipTest("root, ip and unshare are needed")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise unittest.SkipTest(f"no network namespace: {os.strerror(ctypes.get_errno())}")
    run = ["ip", "link", "set", "lo", "up"], *(
        ["ip", "addr", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo"]
        for address in (PRIVATE, PUBLIC, LINK_LOCAL, METADATA, PRIVATE_6, PUBLIC_6))
    for arguments in run:
        subprocess.run(arguments, check=True, timeout=20)


class Named(SystemCase):
    """A daemon with a /etc/hosts of its own."""

    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.secrets = [new_secret()]
        self.receiver = self.start_everywhere()
        self.hosts = self.folder / "hosts"
        self.count = 0

    def start_everywhere(self):
        """Answers at every address of the namespace: what is not delivered was refused, not unreachable."""
        receiver = Receiver(self.secrets, address="::")
        self.addCleanup(receiver.close)
        receiver.secret_file = self.write_secret("everywhere.secret", self.secrets)
        return receiver

    def resolve(self, **names):
        """Written in place: the daemon's view of /etc/hosts is this very file."""
        lines = ["127.0.0.1 localhost"] + [f"{address} {name}" for name, addresses in names.items()
                                           for address in addresses]
        self.hosts.write_text("\n".join(lines) + "\n")

    def start_named(self, callbacks, **sections):
        daemon = self.make_daemon(callbacks, **sections)
        daemon.write_config()
        daemon.process = Process(["unshare", "--mount", "sh", "-c",
                                  'mount --bind "$1" /etc/hosts && exec "$2" --config "$3"', "sh", self.hosts,
                                  program("prooftrackd"), daemon.config_path], daemon.log_path)
        wait_until(lambda: daemon.answers() or not daemon.process.alive(), 30, "the daemon's socket")
        self.assertTrue(daemon.process.alive(), daemon.process.output()[-2000:])
        return daemon

    def url(self, host):
        return f"http://{host}:{self.receiver.port}/hooks/proof"

    def hook(self, name, host, **keys):
        return {"name": name, "url": self.url(host), "secret_file": self.receiver.secret_file,
                "retry_schedule": ["300ms"] * 60, **keys}

    def complete(self, **options):
        self.count += 1
        identifier = f"n{self.count}"
        self.sandbox.set(identifier, status="completed")
        self.daemon.track(identifier, **options)
        return identifier

    def failures(self, callback):
        return [line for line in self.daemon.logged("callback.failed") if line["callback"] == callback]


class PlainHttp(Named):
    def test_private_hosts_are_called_and_no_others(self):
        self.resolve(receiver=[PRIVATE], six=[PRIVATE_6], public=[PUBLIC], mixed=[PRIVATE, PUBLIC], public6=[PUBLIC_6],
                     local=[LINK_LOCAL], metadata=[METADATA], loop=["127.0.0.1"])
        good = {"receiver": "receiver", "six": "six", "loop": "loop", "literal": PRIVATE, "literal6": f"[{PRIVATE_6}]"}
        bad = {name: name for name in ("public", "mixed", "public6", "local", "metadata")}
        hosts = [host.strip("[]") for host in (*good.values(), *bad.values())]
        self.start_named([self.hook(name, host) for name, host in (good | bad).items()],
                         network={"plain_http_hosts": hosts})
        identifier = self.complete()
        wait_until(lambda: len(self.receiver.of(identifier)) == len(good), 15, "each good one")
        self.assertTrue(all(delivery.verified for delivery in self.receiver.deliveries), "signed as ever")
        self.assertEqual({delivery.headers["host"] for delivery in self.receiver.deliveries},
                         {f"{host}:{self.receiver.port}" for host in good.values()})
        for name in bad:
            error = wait_until(lambda name=name: self.failures(name), 10, f"a refusal of {name}")[0]["error"]
            self.assertIn(f"{name} resolves to ", error)
            self.assertIn("plain http goes to loopback and private addresses alone", error)
            refused = [line["host"] for line in self.daemon.logged("callback.address_refused")
                       if line["callback"] == name]
            self.assertEqual(refused[:1], [name])
        self.assertEqual(len(self.receiver.of(identifier)), len(good), "not one byte went elsewhere")

    def test_a_rebound_name_is_judged_by_what_it_is_now(self):
        self.resolve(receiver=[PRIVATE])
        self.start_named([self.hook("backend", "receiver")], network={"plain_http_hosts": ["receiver"]})
        first = self.complete()
        wait_until(lambda: self.receiver.of(first), 10, "the private address")
        self.resolve(receiver=[PUBLIC])

        def is_refused():
            self.daemon.reload()  # closes what is kept open
            tried = self.complete()
            wait_until(lambda: self.receiver.of(tried) or self.failures("backend"), 10, f"the attempt for {tried}")
            return self.failures("backend")

        wait_until(is_refused, 10, "a refusal: the address that was judged is used again for a second")
        second = self.failures("backend")[0]["merchant_transaction_id"]
        self.assertEqual(self.receiver.of(second), [])
        self.resolve(receiver=[PRIVATE])
        wait_until(lambda: self.receiver.of(second), 15, "it went when the name was right again")

    def test_a_callback_url_needs_both_lists(self):
        self.resolve(receiver=[PRIVATE], other=[PRIVATE], public=[PUBLIC], **{"a.shop.internal": [PRIVATE]})
        daemon = self.start_named(
            [], network={"plain_http_hosts": ["receiver", "a.shop.internal", "public", "unlisted"]},
            callback_url={"allow_hosts": ["receiver", "other", "public", "*.shop.internal"],
                          "secret_file": self.receiver.secret_file})
        for host, reason in (("other", "plain_http_hosts"), ("a.shop.internal", "plain_http_hosts"),
                             ("unlisted", "allow_hosts")):
            reply = daemon.api("POST", "/v1/transactions",
                               {"merchant_transaction_id": "refused", "callback_url": self.url(host)})
            self.assertIn(reason, self.assert_problem(reply, 400, "invalid_request")["detail"])
        there = self.complete(callback_url=self.url("receiver"))
        wait_until(lambda: self.receiver.of(there), 10, "the listed one")
        self.assertTrue(self.receiver.of(there)[0].verified)
        elsewhere = self.complete(callback_url=self.url("public"))
        wait_until(lambda: self.failures("callback_url"), 10, "a refusal")
        self.assertEqual(self.receiver.of(elsewhere), [])

    def test_without_the_list_it_is_loopback_alone_and_a_reload_takes_it(self):
        self.resolve(receiver=[PRIVATE])
        daemon = self.start_named([self.hook("backend", "127.0.0.1")])
        identifier = self.complete()
        wait_until(lambda: self.receiver.of(identifier), 10, "loopback")
        daemon.config["callback"] = [self.hook("backend", "receiver")]
        daemon.write_config()
        daemon.reload()
        self.assertEqual(daemon.wait_log("config.refused")[0]["key"], "callback.url")
        daemon.config["network"] = {"plain_http_hosts": ["receiver", PUBLIC]}
        daemon.write_config()
        daemon.reload()
        self.assertEqual(daemon.wait_log("config.refused", 2)[1]["key"], "network.plain_http_hosts")
        daemon.config["network"] = {"plain_http_hosts": ["receiver"]}
        daemon.write_config()
        daemon.reload()
        daemon.wait_log("config.reloaded")
        identifier = self.complete()
        delivery = wait_until(lambda: self.receiver.of(identifier), 10, "the private host")[0]
        self.assertEqual(delivery.headers["host"], f"receiver:{self.receiver.port}")


class Metrics(SystemCase):
    def ask(self, method, target, body=None):
        connection = http.client.HTTPConnection(PRIVATE, self.port, timeout=10)
        try:
            connection.request(method, target, body)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()

    def test_others_read_the_metrics_and_nothing_else_when_that_is_meant(self):
        self.start_sandbox("--accept-any")
        with socket.socket() as free:
            free.bind((PRIVATE, 0))
            self.port = free.getsockname()[1]
        listen = f"{PRIVATE}:{self.port}"
        daemon = self.make_daemon([], metrics={"listen": listen})
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(30), 78)
        self.assertEqual(daemon.logged("config.refused")[0]["key"], "metrics.listen")
        daemon.config["metrics"]["allow_remote"] = True
        daemon.write_config()
        check = subprocess.run([program("prooftrackd"), "--check-config", "--config", str(daemon.config_path)],
                               capture_output=True, text=True, timeout=30)
        self.assertEqual(check.returncode, 0, check.stderr)
        self.assertIn(f'warning: metrics.listen "{listen}"', check.stderr)
        daemon.start()
        status, text = self.ask("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertIn("prooftrackd_build_info", text)
        for target in ("/", "/v1/status", "/v1/transactions", "/v1/backup", "/healthz", "/readyz", "/v1/openapi.json"):
            self.assertEqual(self.ask("GET", target)[0], 404, target)
        self.assertEqual(self.ask("POST", "/v1/transactions", '{"merchant_transaction_id": "x"}')[0], 404)
        for method in ("POST", "PUT", "DELETE"):
            self.assertEqual(self.ask(method, "/metrics")[0], 405, method)
        daemon.reload()
        daemon.wait_log("config.reloaded")
        warned = [line for line in daemon.logged("config.warning") if "metrics.listen" in line["warning"]]
        self.assertEqual(len(warned), 1, "once, at the start")
        self.assertIn(listen, warned[0]["warning"])
        daemon.config["metrics"]["allow_remote"] = False
        daemon.write_config()
        daemon.reload()
        daemon.wait_log("config.refused", 2)
        self.assertEqual(self.ask("GET", "/metrics")[0], 200, "the old configuration is in force")


if __name__ == "__main__":
    unittest.main()
