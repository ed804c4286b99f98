#!/usr/bin/env python3
"""Deliveries: signed, retried with the same bytes, in order, and never at each other's expense."""

import json
import stat
import subprocess
import time
import unittest

from harness import SLACK, SystemCase, program, wait_until


class Callbacks(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")

    def deliveries(self, **query):
        text = "&".join(f"{k}={v}" for k, v in query.items())
        return self.daemon.api("GET", f"/v1/deliveries?limit=1000&{text}").json["deliveries"]

    def complete(self, identifier, status="completed"):
        self.sandbox.set(identifier, status=status)
        self.daemon.track(identifier)

    def test_a_retry_has_the_same_id_and_bytes_and_is_signed_anew(self):
        receiver = self.start_receiver()
        answers = [500, 503, 204]
        receiver.answer = lambda delivery: answers.pop(0) if answers else 204
        self.start_daemon([self.callback(receiver, retry_schedule=["1s", "1s", "1s"])])
        self.complete("retry")
        wait_until(lambda: len(receiver.deliveries) == 3, 10, "three attempts")
        first, second, third = receiver.deliveries
        self.assertEqual(first.body, second.body)
        self.assertEqual(first.body, third.body)
        self.assertEqual(len({d.event_id for d in receiver.deliveries}), 1)
        self.assertTrue(all(d.verified for d in receiver.deliveries))
        for earlier, later in ((first, second), (second, third)):
            self.assertGreaterEqual(later.at - earlier.at, 0.98, "never earlier than the schedule")
            self.assertLess(later.at - earlier.at, 1.05 + 0.3 + SLACK)
        delivery = wait_until(lambda: self.deliveries(state="delivered"), 10, "delivered")[0]
        self.assertEqual(delivery["attempts"], 3)
        self.assertTrue(self.daemon.logged("callback.failed"))
        self.assertTrue(self.daemon.logged("callback.delivered"))

    def test_the_schedule_ends_dead_and_a_hand_wakes_it(self):
        receiver = self.start_receiver()
        receiver.answer = lambda delivery: 500
        self.start_daemon([self.callback(receiver, retry_schedule=["200ms", "200ms"])])
        self.complete("dead")
        dead = wait_until(lambda: self.deliveries(state="dead"), 10, "dead")[0]
        self.assertEqual((dead["attempts"], dead["last_status"], dead["next_attempt_at"]), (3, 500, None))
        self.assertEqual(len(receiver.deliveries), 3)
        self.daemon.wait_log("callback.dead")
        receiver.answer = lambda delivery: 200
        self.assertEqual(self.daemon.api("POST", f"/v1/deliveries/{dead['id']}/retry").status, 202)
        wait_until(lambda: self.deliveries(state="delivered"), 10, "delivered")
        # A delivered one is sent again when asked for.
        self.assertEqual(self.daemon.api("POST", f"/v1/deliveries/{dead['id']}/retry").status, 202)
        wait_until(lambda: len(receiver.deliveries) == 5, 10, "sent again")
        self.assertEqual(len({d.body for d in receiver.deliveries}), 1)

    def test_all_dead_ones_are_retried_at_once(self):
        receiver = self.start_receiver()
        receiver.answer = lambda delivery: 410
        self.start_daemon([self.callback(receiver)])
        for n in range(4):
            self.complete(f"gone{n}")
        wait_until(lambda: len(self.deliveries(state="dead")) == 4, 10, "410 is dead at once")
        self.assertEqual(len(receiver.deliveries), 4)
        receiver.answer = lambda delivery: 204
        self.assertEqual(self.daemon.api("POST", "/v1/deliveries/retry",
                                         {"state": "dead", "callback": "backend"}).status, 202)
        wait_until(lambda: len(self.deliveries(state="delivered")) == 4, 10, "delivered")

    def test_retry_after_is_honoured(self):
        receiver = self.start_receiver()
        answers = [(503, {"Retry-After": "2"})]
        receiver.answer = lambda delivery: answers.pop(0) if answers else 204
        self.start_daemon([self.callback(receiver, retry_schedule=["200ms", "200ms"])])
        self.complete("after")
        wait_until(lambda: len(receiver.deliveries) == 2, 10, "two attempts")
        self.assertGreaterEqual(receiver.deliveries[1].at - receiver.deliveries[0].at, 1.95)

    def test_redirects_are_not_followed(self):
        target = self.start_receiver(name="target")
        receiver = self.start_receiver()
        receiver.answer = lambda delivery: (307, {"Location": target.url})
        self.start_daemon([self.callback(receiver, retry_schedule=["100ms"])])
        self.complete("redirect")
        wait_until(lambda: self.deliveries(state="dead"), 10, "dead")
        self.assertEqual(target.deliveries, [])

    def test_a_timeout_is_a_failure(self):
        receiver = self.start_receiver()
        receiver.answer = lambda delivery: time.sleep(3) or 204
        self.start_daemon([self.callback(receiver, timeout="500ms", retry_schedule=["30s"])])
        self.complete("slow")
        failed = wait_until(lambda: [d for d in self.deliveries(state="pending") if d["attempts"] == 1], 10,
                            "an attempt")[0]
        self.assertTrue(failed["last_error"])
        self.assertIsNone(failed["last_status"])

    def test_order_holds_for_one_transaction_and_others_do_not_wait(self):
        receiver = self.start_receiver()
        refused = {"first": True}
        receiver.answer = lambda d: (
            500 if refused["first"] and d.event["data"]["merchant_transaction_id"] == "ordered" else 204)
        self.start_daemon([self.callback(receiver, retry_schedule=["300ms"] * 30)], poll={"verify_after": ["1s"]})
        self.complete("ordered", "failed")
        wait_until(lambda: receiver.of("ordered"), 10, "a first attempt")
        self.sandbox.set("ordered", status="completed")
        self.complete("other")
        wait_until(lambda: receiver.of("other"), 10, "the other one")
        wait_until(lambda: len(self.deliveries(merchant_transaction_id="ordered")) == 2, 10, "the reversal")
        time.sleep(0.7)
        self.assertEqual({d.event["type"] for d in receiver.of("ordered")}, {"transaction.failed"})
        refused["first"] = False
        wait_until(lambda: receiver.events("transaction.reversed"), 10, "the reversal behind it")

    def test_a_dead_callback_delays_no_other(self):
        good, bad = self.start_receiver(name="good"), self.start_receiver(name="bad")
        bad.answer = lambda delivery: time.sleep(2) or 500
        closed = {"name": "closed", "url": "http://127.0.0.1:9/hook", "secret_file": good.secret_file}
        self.start_daemon([self.callback(bad, "bad", max_in_flight=2), closed, self.callback(good, "good")])
        for n in range(20):
            self.complete(f"many{n}")
        wait_until(lambda: len({d.event_id for d in good.deliveries}) == 20, 5, "the good one has all")
        self.assertEqual(len(self.deliveries(callback="closed", state="pending")), 20)

    def test_a_failing_callback_loses_nothing_and_recovers(self):
        receiver = self.start_receiver()
        receiver.answer = lambda delivery: 500
        self.start_daemon([self.callback(receiver, retry_schedule=["300ms"] * 5)])
        for n in range(8):
            self.complete(f"f{n}")
        self.daemon.wait_log("callback.failing", timeout=15)
        self.assertEqual(self.daemon.status()["callbacks"][0]["state"], "failing")
        attempts = len(receiver.deliveries)
        time.sleep(2)
        self.assertLessEqual(len(receiver.deliveries) - attempts, 1, "only a probe now and then")
        self.assertEqual(self.deliveries(state="dead"), [])
        receiver.answer = lambda delivery: 204
        waiting = self.deliveries(state="pending")
        self.daemon.api("POST", f"/v1/deliveries/{waiting[0]['id']}/retry")
        wait_until(lambda: len(self.deliveries(state="delivered")) == 8, 40, "all of them")
        self.assertEqual(self.daemon.status()["callbacks"][0]["state"], "ok")

    def test_deliveries_survive_a_crash(self):
        receiver = self.start_receiver()
        receiver.answer = lambda delivery: 500
        self.start_daemon([self.callback(receiver, retry_schedule=["2s", "2s"])])
        self.complete("crash")
        wait_until(lambda: receiver.of("crash"), 10, "an attempt")
        self.daemon.wait_log("callback.failed")
        pending = self.deliveries(state="pending")[0]
        self.daemon.kill()
        receiver.answer = lambda delivery: 204
        self.daemon.start()
        wait_until(lambda: self.deliveries(state="delivered"), 10, "delivered after the restart")
        self.assertEqual(self.deliveries(state="delivered")[0]["event_id"], pending["event_id"])
        self.assertEqual(len({d.body for d in receiver.deliveries}), 1)

    def test_unix_sockets(self):
        receiver = self.start_receiver(unix=True)
        self.start_daemon([self.callback(receiver)])
        self.complete("unix")
        delivery = wait_until(lambda: receiver.of("unix"), 10, "the callback")[0]
        self.assertTrue(delivery.verified)
        self.assertEqual(delivery.path, "/hooks/proof")

    def test_commands(self):
        script = self.folder / "credit"
        out = self.folder / "credited"
        script.write_text(f'#!/bin/sh\ncat > "{out}.$PROOFTRACK_MERCHANT_TRANSACTION_ID"\nenv > "{out}.env"\nls -l '
                          f'/proc/self/fd > "{out}.fds"\n'
                          f'[ "$PROOFTRACK_MERCHANT_TRANSACTION_ID" = c1 ] || exit 7\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        self.start_daemon([{"name": "ledger", "command": [str(script)], "events": ["transaction.completed"],
                            "retry_schedule": ["100ms"]}])
        self.complete("c1")
        wait_until(lambda: self.deliveries(state="delivered"), 10, "delivered")
        event = json.loads((self.folder / "credited.c1").read_text())
        self.assertEqual(event["type"], "transaction.completed")
        environment = dict(line.split("=", 1) for line in (self.folder / "credited.env").read_text().splitlines()
                           if "=" in line)
        self.assertEqual(environment["PROOFTRACK_EVENT_ID"], event["id"])
        self.assertEqual(environment["PROOFTRACK_STATUS"], "completed")
        self.assertEqual(environment["PROOFTRACK_ATTEMPT"], "1")
        self.assertFalse(set(environment) - {"PATH", "PWD", "SHLVL",
                                             "_"} - {k for k in environment if k.startswith("PROOFTRACK_")})
        self.complete("c2")
        dead = wait_until(lambda: self.deliveries(state="dead"), 10, "exit 7 is a failure")[0]
        self.assertEqual((dead["attempts"], dead["last_status"]), (2, 7))

    def test_a_hanging_command_is_killed_with_its_children(self):
        marker = self.folder / "pid"
        script = self.folder / "hang"
        script.write_text(f'#!/bin/sh\nsleep 300 &\necho $! > "{marker}"\nwait\n')
        script.chmod(0o755)
        self.start_daemon([{"name": "hang", "command": [str(script)], "timeout": "500ms", "retry_schedule": ["60s"]}])
        self.complete("h")
        wait_until(lambda: [d for d in self.deliveries(state="pending") if d["attempts"] == 1], 10, "given up")
        child = int(marker.read_text())

        def gone():
            try:
                with open(f"/proc/{child}/stat") as file:
                    return file.read().split()[2] == "Z"
            except FileNotFoundError:
                return True
        wait_until(gone, 5, "the whole process group is gone")

    def test_a_transactions_own_callback_url(self):
        receiver = self.start_receiver()
        secret_file = self.write_secret("own.secret", receiver.secrets)
        self.start_daemon([], callback_url={"allow_hosts": ["127.0.0.1"], "secret_file": secret_file})
        self.sandbox.set("own", status="completed")
        url = receiver.url + "?order=17"
        self.daemon.track("own", callback_url=url)
        delivery = wait_until(lambda: receiver.of("own"), 10, "the callback")[0]
        self.assertTrue(delivery.verified)
        self.assertTrue(delivery.path.endswith("?order=17"))
        self.assertEqual(self.deliveries()[0]["callback"], "callback_url")
        self.assertNotIn("order=17", self.daemon.process.output())
        for wrong in ("https://elsewhere.example/", "ftp://127.0.0.1/", "http://user@127.0.0.1/", url + "#x",
                      "nonsense",
                      "http://169.254.169.254/latest", "http://127.0.0.1.example/"):
            reply = self.daemon.api("POST", "/v1/transactions",
                                    {"merchant_transaction_id": "wrong", "callback_url": wrong})
            self.assert_problem(reply, 400, "invalid_request")

    def test_a_removed_callback_keeps_its_pending_deliveries(self):
        receiver = self.start_receiver()
        receiver.answer = lambda delivery: 500
        daemon = self.start_daemon([self.callback(receiver, retry_schedule=["1s"] * 9)])
        self.complete("owed")
        wait_until(lambda: receiver.deliveries, 10, "an attempt")
        callbacks = daemon.config.pop("callback")
        daemon.write_config()
        daemon.reload()
        daemon.wait_log("config.reloaded")
        time.sleep(1.5)
        attempts = len(receiver.deliveries)
        time.sleep(1.5)
        self.assertEqual(len(receiver.deliveries), attempts)
        self.assertEqual(self.deliveries(state="pending")[0]["last_error"], "callback not configured")
        self.assertEqual([c["state"] for c in daemon.status()["callbacks"]], ["unconfigured"])
        receiver.answer = lambda delivery: 204
        daemon.config["callback"] = callbacks
        daemon.write_config()
        daemon.reload()
        wait_until(lambda: self.deliveries(state="delivered"), 10, "it goes on when the name returns")

    def test_callback_test_sends_one_signed_event(self):
        receiver = self.start_receiver()
        self.start_daemon([self.callback(receiver)])
        reply = self.daemon.api("POST", "/v1/callbacks/backend/test")
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual((reply.json["status"], reply.json["error"]), (204, None))
        self.assertEqual({"status", "duration_ms", "body", "error"}, set(reply.json))
        self.assertEqual(receiver.events("callback.test")[0].verified, True)
        self.assertEqual(self.deliveries(), [])
        self.assertEqual(self.daemon.api("POST", "/v1/callbacks/nobody/test").status, 404)

    def test_a_command_that_succeeds_says_so(self):
        good = {"name": "good", "command": ["/bin/true"]}
        bad = {"name": "bad", "command": ["/bin/false"]}
        daemon = self.start_daemon([good, bad])
        for name, status, error in (("good", 0, None), ("bad", 1, "exit status 1")):
            reply = daemon.api("POST", f"/v1/callbacks/{name}/test").json
            self.assertEqual((reply["status"], reply["error"]), (status, error))
            ctl = subprocess.run([program("prooftrackctl"), "--socket", daemon.socket, "callback", "test", name],
                                 capture_output=True, text=True, timeout=60)
            self.assertEqual((ctl.returncode, ctl.stdout.split(" in ")[0]), (status, f"{name}: exit status {status}"))
        self.complete("paid")
        given = wait_until(lambda: self.deliveries(state="delivered"), 10, "it is delivered")
        self.assertEqual([(one["callback"], one["last_status"]) for one in given], [("good", 0)])
        self.assertEqual(daemon.wait_log("callback.delivered")[0]["status"], 0)

    def test_dead_deliveries_of_no_callback_are_not_retried(self):
        receiver = self.start_receiver()
        receiver.answer = lambda delivery: 410
        daemon = self.start_daemon([self.callback(receiver)])
        retry = lambda **which: daemon.api("POST", "/v1/deliveries/retry", {"state": "dead", **which})  # noqa: E731
        self.complete("paid")
        wait_until(lambda: self.deliveries(state="dead"), 10, "it is dead")
        problem = self.assert_problem(retry(callback="typo"), 404, "unknown_callback")
        self.assertIn("typo", problem["detail"])
        self.assert_problem(retry(callback="callback_url"), 404, "unknown_callback")
        ctl = subprocess.run([program("prooftrackctl"), "--socket", daemon.socket, "redeliver", "--dead", "--callback",
                              "typo"],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(ctl.returncode, 1, ctl)
        self.assertIn("unknown_callback", ctl.stderr)
        self.assertTrue(self.deliveries(state="dead"))
        self.assertEqual(daemon.logged("api.change")[-1]["result"], "unknown_callback")
        # What a removed callback is owed is still its own.
        daemon.config["callback"] = [self.callback(receiver, "another")]
        daemon.write_config()
        daemon.reload()
        daemon.wait_log("config.reloaded")
        self.assertEqual(retry(callback="another").json, {"retried": 0})
        self.assertEqual(retry(callback="backend").json, {"retried": 1})

    def test_secrets_are_never_shown(self):
        receiver = self.start_receiver()
        daemon = self.start_daemon([self.callback(receiver)])
        self.complete("quiet")
        wait_until(lambda: receiver.deliveries, 10, "the callback")
        metadata = "metadata-canary"
        daemon.track("quiet2", metadata={"note": metadata})
        daemon.reload()
        daemon.wait_log("config.reloaded")
        daemon.stop()
        text = daemon.process.output()
        for word in (self.sandbox.token, receiver.secrets[0], receiver.secrets[0].removeprefix("whsec_"), metadata,
                     "Bearer"):
            self.assertNotIn(word, text)


if __name__ == "__main__":
    unittest.main()
