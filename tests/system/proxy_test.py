#!/usr/bin/env python3
"""Proof and receivers by way of an HTTP proxy. Loopback is never reached through one: everything here runs in a network
namespace of its own, with an address that is not loopback."""

import os
import shutil
import subprocess
import sys
import unittest

from connect_proxy import ConnectProxy
from harness import Sandbox, SystemCase, new_secret, program, wait_until
from tls_parts import HttpsReceiver, issue, server_context

ADDRESS = "10.9.9.1"
INSIDE = "PROOFTRACK_PROXY_NAMESPACE"


class Proxied(SystemCase):
    def setUp(self):
        super().setUp()
        if not os.environ.get(INSIDE):
            self.skipTest("root, unshare and ip are needed")
        self.proxy = self.start_proxy()

    def start_proxy(self):
        proxy = ConnectProxy(ADDRESS)
        self.addCleanup(proxy.close)
        return proxy

    def start_sandbox(self, *arguments, name="proof", address=ADDRESS):
        sandbox = Sandbox(self.folder / name, *arguments)
        sandbox.listen = f"{address}:0"
        sandbox.start()
        self.addCleanup(lambda: self.end(sandbox.process))
        self.sandbox = sandbox
        return sandbox

    def start_shop(self, **keys):
        """A receiver with TLS beyond loopback, and its [[callback]]."""
        pair = issue(self.sandbox, self.folder, "shop", f"IP:{ADDRESS}")
        secrets = [new_secret()]
        shop = HttpsReceiver(secrets, ADDRESS, server_context(self.sandbox, pair))
        self.addCleanup(shop.close)
        shop.secret_file = self.write_secret("shop.secret", secrets)
        return shop, self.callback(shop, "shop", ca_file=self.sandbox.ca_file, **keys)

    def environment(self, **variables):
        clean = {k: v for k, v in os.environ.items() if k.lower() not in ("https_proxy", "no_proxy")}
        return {**clean, **variables}

    def write_login(self, name, text):
        path = self.folder / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        return str(path)

    def settle(self, identifier):
        self.sandbox.set(identifier, status="completed")
        self.daemon.track(identifier)
        self.daemon.wait_state(identifier, "settled")

    def host(self):
        return self.sandbox.base_url.removeprefix("https://")


class Configured(Proxied):
    def test_polls_calls_and_webhooks_go_through_it(self):
        self.start_sandbox("--accept-any")
        shop, callback = self.start_shop()
        self.proxy.login = "daemon:pass word"
        login = self.write_login("login", self.proxy.login)
        keys = {"proxy": self.proxy.url, "proxy_credentials_file": login}
        daemon = self.start_daemon([{**callback, **keys}], proof=keys)
        self.settle("a")
        self.assertEqual(daemon.api("GET", "/v1/users/u/kyc-status").status, 200)
        wait_until(lambda: shop.of("a"), 10, "the webhook")
        self.assertTrue(all(d.verified for d in shop.of("a")))
        self.assertGreaterEqual(self.proxy.asked.count(self.host()), 2, "polls, and the call on its own connection")
        self.assertIn(f"{ADDRESS}:{shop.front.port}", self.proxy.asked)
        told = daemon.logged("config.proxy")
        self.assertEqual([(t["proxy"], t["source"], t["used_by"]) for t in told],
                         [(self.proxy.name, "configuration", "proof callback.shop")])
        self.assertNotIn("pass word", daemon.process.output())
        self.assertNotIn("Basic", daemon.process.output())

    def test_the_proxy_resolves_the_name_and_the_certificate_is_the_targets(self):
        self.start_sandbox("--accept-any")
        self.proxy.hosts["proof.example"] = ADDRESS
        port = self.sandbox.listen.rsplit(":", 1)[1]
        daemon = self.start_daemon([], proof={"base_url": f"https://proof.example:{port}", "proxy": self.proxy.url})
        daemon.track("n")
        refused = wait_until(lambda: daemon.get("n")["last_error"], 10, "an error")
        self.assertIn("hostname mismatch", refused, "the sandbox's certificate has another name")
        self.assertIn(f"proof.example:{port}", self.proxy.asked)

    def test_refusals_are_named_and_changed_credentials_are_used_without_a_reload(self):
        self.start_sandbox("--accept-any")
        self.proxy.login = "daemon:right"
        login = self.write_login("login", "daemon:wrong")
        daemon = self.start_daemon([], poll={"probe_interval": "500ms"},
                                   proof={"proxy": self.proxy.url, "proxy_credentials_file": login})
        daemon.track("r")
        refused = wait_until(lambda: daemon.get("r")["last_error"], 10, "an error")
        self.assertIn(f"proxy {self.proxy.name}", refused)
        self.assertIn("407", refused)
        problem = daemon.api("GET", "/v1/users/u/kyc-status")
        self.assert_problem(problem, 502, "proof_unreachable")
        self.assertIn("407", problem.json["detail"])
        self.assertEqual(self.sandbox.log(), [], "nothing goes past the proxy")
        self.write_login("login", self.proxy.login)
        wait_until(lambda: daemon.get("r")["last_error"] is None and self.sandbox.log(), 10, "the right password")
        self.assertNotIn("right", daemon.process.output())
        self.proxy.status = 403
        self.assertIn("403 Forbidden", daemon.api("GET", "/v1/users/u/kyc-status").json["detail"])

    def test_a_reload_is_all_or_nothing(self):
        self.start_sandbox("--accept-any")
        second = self.start_proxy()
        daemon = self.start_daemon([], proof={"proxy": self.proxy.url})
        self.settle("one")
        daemon.config["proof"]["proxy"] = f"http://me:hushhush@{second.name}"
        daemon.config["log"]["level"] = "info"
        daemon.write_config()
        daemon.reload()
        refused = daemon.wait_log("config.refused")[0]
        self.assertEqual(refused["key"], "proof.proxy")
        self.assertIn("proxy_credentials_file", refused["error"])
        self.assertNotIn("hushhush", daemon.process.output())
        self.settle("two")
        self.assertEqual(second.asked, [])
        checked = subprocess.run([program("prooftrackd"), "--check-config", "--config", daemon.config_path],
                                 capture_output=True, text=True, timeout=20)
        self.assertEqual(checked.returncode, 78)
        self.assertIn("proof.proxy: must not hold a user or password", checked.stderr)
        daemon.config["proof"]["proxy"] = second.url
        daemon.write_config()
        daemon.reload()
        daemon.wait_log("config.reloaded")
        self.settle("three")
        self.assertIn(self.host(), second.asked)
        self.assertEqual(daemon.wait_log("config.proxy", 2)[1]["proxy"], second.name)


class OfTheEnvironment(Proxied):
    def start_with(self, callbacks=(), sections=None, **variables):
        daemon = self.make_daemon(list(callbacks), **(sections or {}))
        return daemon.start(env=self.environment(**variables))

    def test_it_is_used_but_for_what_is_exempt(self):
        self.start_sandbox("--accept-any")
        shop, callback = self.start_shop()
        daemon = self.start_with([callback], HTTPS_PROXY=f"http://env:secret%21@{self.proxy.name}",
                                 NO_PROXY=f"other.example,10.9.9.0/24:{shop.front.port}")
        self.proxy.login = "env:secret!"
        self.settle("e")
        wait_until(lambda: shop.of("e"), 10, "the webhook")
        self.assertEqual(set(self.proxy.asked), {self.host()}, "NO_PROXY exempts the shop")
        told = [(t["proxy"], t["source"], t["used_by"]) for t in daemon.logged("config.proxy")]
        self.assertEqual(told, [(self.proxy.name, "HTTPS_PROXY", "proof"), ("none", "HTTPS_PROXY", "callback.shop")])
        self.assertNotIn("secret", str(daemon.logged("config.proxy")))

    def test_none_and_loopback_go_directly(self):
        self.start_sandbox("--accept-any")
        self.start_with([], {"proof": {"proxy": "none"}}, https_proxy=self.proxy.url)
        self.settle("direct")
        self.daemon.stop()
        self.start_sandbox("--accept-any", name="near", address="127.0.0.1")
        receiver = self.start_receiver()
        self.start_with([self.callback(receiver)], https_proxy=self.proxy.url)
        self.settle("near")
        wait_until(lambda: receiver.of("near"), 10, "the webhook")
        self.assertEqual(self.proxy.asked, [])

    def test_a_transactions_own_url_goes_through_it_too(self):
        self.start_sandbox("--accept-any")
        shop, _ = self.start_shop()
        rules = {"allow_hosts": [ADDRESS], "secret_file": shop.secret_file}
        self.start_with([], {"callback_url": rules, "proof": {"proxy": "none"}}, HTTPS_PROXY=self.proxy.url)
        self.sandbox.set("own", status="completed")
        self.daemon.track("own", callback_url=shop.url)
        wait_until(lambda: f"{ADDRESS}:{shop.front.port}" in self.proxy.asked, 10, "the proxy is asked")

    def test_one_that_cannot_be_used_is_refused(self):
        self.start_sandbox("--accept-any")
        daemon = self.make_daemon([])
        daemon.start(wait=False, env=self.environment(HTTPS_PROXY="socks5://me:hushhush@proxy.example"))
        self.assertEqual(daemon.process.wait(20), 78)
        self.assertIn("HTTPS_PROXY of the environment is no http:// proxy", daemon.process.output())
        self.assertNotIn("hushhush", daemon.process.output())


def enter_namespace():
    """The same test again, in a namespace with ADDRESS."""
    ready = f'ip link set lo up && ip addr add {ADDRESS}/32 dev lo && exec "$@"'
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", ready, "sh", sys.executable, "-B", *sys.argv])


if __name__ == "__main__":
    if INSIDE not in os.environ and os.geteuid() == 0 and shutil.which("unshare") and shutil.which("ip"):
        enter_namespace()
    unittest.main()
