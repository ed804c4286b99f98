#!/usr/bin/env python3
"""Ids that Proof or a firewall before it refuses stop nobody else, whoever posted them and however many they are."""

import time
import unittest

from harness import SLACK, SystemCase, wait_until

OWN_403 = {"kind": "status", "status": 403}
OWN_401 = {"kind": "status", "status": 401}
PAGE = {"body": "<html><body>Request blocked</body></html>", "headers": {"Content-Type": "text/html"}}
PAGE_403 = {"kind": "status", "status": 403, **PAGE}
PAGE_401 = {"kind": "status", "status": 401, **PAGE}
SILENCE = {"kind": "stall", "at": "before"}
GARBAGE = {"kind": "garbage"}

BAND = (1.0, 2.0)
MEASURED = 10.0
AT_ONCE = 0.7  # three connections with their handshakes, on a busy machine with sanitizers


class Refusals(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.start_daemon([], poll={"interval": ["1s", "2s"], "backoff": ["1s", "1m"]}, proof={"request_timeout": "1s"})

    def poison(self, faults):
        self.sandbox.control("PUT", "faults", [{"path": f"/widget/transactions/{name}", **fault}
                                               for name, fault in faults.items()])

    def expect_in_band(self, names, broken_connections=False):
        """A poll whose connection another one broke is asked again at once: one poll, however often it was sent."""
        self.sandbox.clear_log()
        before = {name: self.daemon.get(name)["polls"] for name in names}
        time.sleep(MEASURED)
        for name in names:
            made = self.daemon.get(name)["polls"] - before[name]
            self.assertLessEqual(made, (MEASURED + SLACK) / BAND[0] + 1, "too many, however often each was sent")
            polls = self.sandbox.polls(name)
            gaps = [b - a for a, b in zip(polls, polls[1:]) if not broken_connections or b - a > AT_ONCE]
            self.assertGreaterEqual(len(polls), (MEASURED - SLACK) / (BAND[1] + SLACK), name)
            self.assertLessEqual(max(gaps), BAND[1] + SLACK, name)
            self.assertGreaterEqual(min(gaps), BAND[0] - 0.2, name)

    def expect_own_errors(self, faults):
        for name, fault in faults.items():
            with self.subTest(fault):
                shown = self.daemon.get(name)
                self.assertEqual((shown["state"], shown["status"]), ("tracking", None))
                self.assertGreater(shown["consecutive_errors"], 0)
                self.assertTrue(shown["last_error"])
                if "status" in fault:
                    own = [str(fault["status"])]
                    if GARBAGE in faults.values():  # so many of 60 that a shared connection breaks three times in a row
                        own.append("http/2: ")
                    self.assertTrue(shown["last_error"].startswith(tuple(own)), shown["last_error"])

    def expect_calm(self):
        self.assertEqual(self.daemon.status()["proof"]["health"], "ok")
        for event in ("proof.forbidden", "proof.unauthorized", "proof.unreachable"):
            self.assertFalse(self.daemon.logged(event), event)

    def survive(self, faults, total=60):
        good = [f"good-{n}" for n in range(total - len(faults))]
        self.poison(faults)
        self.daemon.import_ids(list(faults) + good)
        wait_until(lambda: all(self.daemon.get(name)["consecutive_errors"] > 0 for name in faults), 20, "their errors")
        self.expect_in_band(good, GARBAGE in faults.values())
        self.expect_own_errors(faults)
        self.expect_calm()

    def test_one_page_of_a_firewall(self):
        self.survive({"web.config": PAGE_403})
        named = [line["merchant_transaction_id"] for line in self.daemon.logged("poll.error")
                 if line["error"].startswith("403")]
        self.assertIn("web.config", named)

    def test_few_of_each_kind(self):
        self.survive({".env": PAGE_403, "a--b": OWN_403, "own-401": OWN_401, "page-401": PAGE_401})
        refused = [line for line in self.daemon.logged("poll.error") if line["merchant_transaction_id"] == "a--b"]
        self.assertTrue(refused and "others are answered" in refused[0]["advice"], refused)

    def test_all_but_three(self):
        kinds = [OWN_403, PAGE_403, OWN_401, PAGE_401, SILENCE, GARBAGE]
        self.survive({f"bad-{n:02}": kinds[n % len(kinds)] for n in range(57)})

    def test_one_of_two(self):
        self.survive({"bad": OWN_401}, total=2)

    def test_they_were_well_before(self):
        names = [f"id-{n:02}" for n in range(60)]  # a fault strikes whatever begins with its path
        self.daemon.import_ids(names)
        wait_until(lambda: all(self.daemon.get(name)["status"] == "pending" for name in names), 20, "first replies")
        self.poison({name: OWN_403 for name in names[:50]})
        self.expect_in_band(names[50:])
        self.expect_calm()

    def test_refused_ids_alone_are_an_outage_until_another_comes(self):
        self.poison({f"bad-{n}": OWN_403 for n in range(5)})
        self.daemon.import_ids([f"bad-{n}" for n in range(5)])
        wait_until(lambda: self.daemon.status()["proof"]["health"] == "forbidden", 10, "nobody gets a good answer")
        self.daemon.track("good-0")
        wait_until(lambda: self.daemon.get("good-0")["status"] == "pending", 1 + SLACK, "a new id is asked at once")
        self.assertEqual(self.daemon.status()["proof"]["health"], "ok")
        self.expect_in_band(["good-0"])


if __name__ == "__main__":
    unittest.main()
