#!/usr/bin/env python3
"""Search: by metadata, time, callback owed and the beginning of an id, over the API and the command line; after kill -9
too."""

import json
import subprocess
import unittest

from harness import SystemCase, program, wait_until


class Search(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        receiver = self.start_receiver()
        receiver.answer = lambda delivery: 500
        self.daemon = self.start_daemon([self.callback(receiver, retry_schedule=["24h"])])
        for number in range(3):
            self.daemon.track(f"order-{number}", metadata={"order": f"A-{number}", "shop.id": 7, "paid": False})
        self.daemon.track("plain")

    def found(self, query):
        reply = self.daemon.api("GET", f"/v1/transactions?{query}")
        self.assertEqual(reply.status, 200, reply)
        return [each["merchant_transaction_id"] for each in reply.json["transactions"]]

    def ctl(self, *arguments):
        done = subprocess.run([program("prooftrackctl"), "--socket", self.daemon.socket, "--json", *arguments],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def listed(self, *arguments):
        return [each["merchant_transaction_id"] for each in self.ctl("list", *arguments)]

    def test_what_was_tracked_is_found_by_everything_that_is_known_of_it(self):
        self.sandbox.set("order-1", status="completed")
        settled = self.daemon.wait_state("order-1", "settled")
        wait_until(lambda: self.found("not_delivered_to=backend"), 20, "an attempt that failed")
        for _ in range(2):
            self.assertEqual(self.found("metadata.order=A-1"), ["order-1"])
            self.assertEqual(self.found("metadata.shop.id=7&metadata.paid=false"), ["order-2", "order-1", "order-0"])
            self.assertEqual(self.found("metadata.shop%2Eid=7&metadata.order=A-2"), ["order-2"])
            self.assertEqual(self.found("metadata.shop.id=8"), [])
            self.assertEqual(self.found("id_prefix=ord&state=settled"), ["order-1"])
            self.assertEqual(self.found("not_delivered_to=backend"), ["order-1"])
            self.assertEqual(self.found(f"tracked_after={settled['settled_at']}"), [])
            self.assertIn("plain", self.found(f"tracked_before={settled['settled_at']}"))
            self.assertEqual(self.listed("--metadata", "order=A-1", "--tracked-after", "1h"), ["order-1"])
            self.assertEqual(self.listed("--not-delivered-to", "backend", "--settled-before", "2026-01-01"), [])
            self.assertEqual(len(self.ctl("events", "--since", "1h")), 1)
            self.assertEqual(self.ctl("events", "--until", "1h"), [])
            self.assertEqual([each["callback"] for each in self.ctl("deliveries", "--since", "1h")], ["backend"])
            self.assertEqual(self.ctl("deliveries", "--until", "2026-01-01"), [])
            self.daemon.kill()
            self.daemon.start()

    def test_an_id_that_is_tracked_anew_is_found_by_its_new_metadata_alone(self):
        self.assertEqual(self.daemon.api("DELETE", "/v1/transactions/order-0").status, 200)
        self.daemon.track("order-0", metadata={"order": "B-0"})
        self.assertEqual(self.found("metadata.order=B-0"), ["order-0"])
        self.assertEqual(self.found("metadata.order=A-0"), [])

    def test_what_cannot_be_searched_for_is_refused(self):
        many = "&".join(f"metadata.k{number}=1" for number in range(17))
        for query in ("metadata", "tracked_after=yesterday", "not_delivered_to=%20", "id_prefix=",
                      "id_prefix=a%2Fb", "metadata.a=1&metadata.a=2", many):
            self.assert_problem(self.daemon.api("GET", f"/v1/transactions?{query}"), 400, "invalid_request")
        self.assertEqual(self.found(many.removesuffix("&metadata.k16=1")), [])


if __name__ == "__main__":
    unittest.main()
