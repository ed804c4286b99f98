#!/usr/bin/env python3
"""poll.verify_after taken away: the settled ones that wait for it are asked once more, within max_rate, and can be
pruned then."""

import collections
import time
import unittest

from harness import SLACK, SystemCase, parse_time, wait_until
from store_switch import ask_store

ROWS = 2000
RATE = 200


class TakenAway(SystemCase):
    def settle_all(self, verify_after):
        self.start_sandbox("--accept-any")
        self.ids = [f"settled-{number:05}" for number in range(ROWS)]
        self.sandbox.set_many({identifier: "completed" for identifier in self.ids})
        daemon = self.start_daemon(poll={"verify_after": verify_after, "max_rate": 0}, log={"level": "info"},
                                   store={"retention": "3s"})
        daemon.api("PUT", "/v1/consumers/books")
        daemon.import_ids(self.ids)
        wait_until(lambda: daemon.status()["transactions"]["by_state"]["settled"] == ROWS, 90, "all are settled")
        self.sandbox.clear_log()
        daemon.config["poll"].update(verify_after=[], max_rate=RATE)
        return daemon

    def asked(self):
        return self.sandbox.log("/widget/transactions/settled-")

    def assert_once_within_the_rate(self):
        wait_until(lambda: len(self.asked()) >= ROWS, ROWS / RATE * 3 + 60, "each is asked once more")
        time.sleep(2)  # whoever is asked twice is asked again within an interval
        log = self.asked()
        counts = collections.Counter(entry["path"] for entry in log)
        self.assertEqual((len(counts), set(counts.values())), (ROWS, {1}))
        seconds = collections.Counter(int(parse_time(entry["at"])) for entry in log)
        self.assertLessEqual(max(seconds.values()), RATE * (1 + SLACK))

    def watched(self):
        """Of a stopped daemon."""
        ((count,),) = ask_store(self.folder / "state" / "prooftrackd.db",
                                "SELECT count(*) FROM transactions WHERE watched = 1")
        return int(count)

    def test_at_a_reload(self):
        daemon = self.settle_all(["15s"])
        daemon.write_config()
        daemon.reload()
        daemon.wait_log("config.reloaded")
        self.assert_once_within_the_rate()
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.watched(), 0)

    def test_at_a_start_and_they_are_pruned(self):
        daemon = self.settle_all(["1h"])
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.watched(), ROWS)
        daemon.start()
        self.assert_once_within_the_rate()
        wait_until(lambda: not daemon.status()["transactions"]["by_state"]["settled"], 240, "all are pruned")


if __name__ == "__main__":
    unittest.main()
