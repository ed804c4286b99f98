#!/usr/bin/env python3
"""The daemon's polls over HTTP/2, against the sandbox: which protocol is spoken, and that no poll fails when streams
and connections end."""

import re
import unittest

from harness import SystemCase, wait_until


class PollsOverHttp2(SystemCase):
    def connections(self, protocol):
        """How many are open, by the daemon's metric."""
        text = self.daemon.api("GET", "/metrics").body.decode()
        found = re.findall(rf'^prooftrackd_connections\{{protocol="{re.escape(protocol)}",state="\w+"\}} (\d+)', text,
                           re.MULTILINE)
        self.assertEqual(len(found), 2, "idle and busy")
        return sum(int(each) for each in found)

    def wait_for_polls(self, count):
        """Until so many more were served."""
        before = len(self.sandbox.log("/widget/transactions/"))
        wait_until(lambda: len(self.sandbox.log("/widget/transactions/")) >= before + count, 20, f"{count} polls")

    def test_the_protocol_is_shown_and_a_reload_turns_it_off(self):
        self.start_sandbox("--accept-any")
        daemon = self.make_daemon()
        daemon.start()
        self.assertIsNone(daemon.status()["proof"]["protocol"])
        daemon.track("tx-1")
        self.assertEqual(daemon.wait_log("proof.connected")[0]["protocol"], "h2")
        self.assertEqual(daemon.status()["proof"]["protocol"], "h2")
        wait_until(lambda: self.connections("h2") >= 1, 5, "a connection of HTTP/2")
        self.assertEqual(self.connections("http/1.1"), 0)

        daemon.config["proof"]["http"] = "1.1"
        daemon.write_config()
        daemon.reload()
        self.assertEqual(daemon.wait_log("proof.connected", 2)[1]["protocol"], "http/1.1")
        self.assertEqual(daemon.status()["proof"]["protocol"], "http/1.1")
        wait_until(lambda: self.connections("http/1.1") >= 1 and self.connections("h2") == 0, 5, "HTTP/1.1 alone")
        self.assertEqual(daemon.logged("poll.error"), [])

    def test_a_server_without_it_gets_http_1_1(self):
        self.start_sandbox("--accept-any", "--http1")
        daemon = self.start_daemon()
        daemon.track("tx-1")
        self.assertEqual(daemon.wait_log("proof.connected")[0]["protocol"], "http/1.1")

    def test_no_poll_fails_when_streams_are_refused_and_connections_end(self):
        self.start_sandbox("--accept-any")
        daemon = self.start_daemon()
        daemon.import_ids({"merchant_transaction_id": f"tx-{i}"} for i in range(300))
        self.wait_for_polls(300)
        # One GOAWAY at a time: the sandbox's second one of a batch may name a higher stream than its first.
        # A poll is repeated after four refusals in a row, not after five: as many as could all strike the same one.
        for kind, members in (*[("goaway", {"count": 1}), ("goaway", {"count": 1, "at": "after"})] * 3,
                              ("refuse_stream", {"count": 4}), ("max_streams", {"count": 50, "streams": 2})):
            with self.subTest(kind, **members):
                self.sandbox.fault(kind, **members)
                self.wait_for_polls(300)
                self.sandbox.clear_faults()
                self.assertEqual(daemon.logged("poll.error"), [])
                self.assertEqual(daemon.status()["proof"]["health"], "ok")

    def test_enhance_your_calm_is_throttling(self):
        self.start_sandbox("--accept-any")
        daemon = self.start_daemon()
        daemon.track("tx-1")
        daemon.wait_log("proof.connected")
        self.sandbox.fault("reset", error="ENHANCE_YOUR_CALM", count=1)
        daemon.wait_log("proof.throttled")
        daemon.wait_log("proof.recovered")


if __name__ == "__main__":
    unittest.main()
