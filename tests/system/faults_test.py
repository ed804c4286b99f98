#!/usr/bin/env python3
"""Proof's worst days: whatever it answers about an id, or does not, nothing is lost or invented."""

import unittest

from harness import SystemCase, wait_until


class OneTransaction(SystemCase):
    """Faults strike some ids while others are well; afterwards all end rightly."""

    HTTP = "auto"
    PROTOCOL = "h2"

    def setUp(self):
        super().setUp()
        self.start_sandbox()
        self.start_daemon([], proof={"request_timeout": "1s", "max_reply_bytes": 65536, "http": self.HTTP})
        # Healthy ones beside them: the faults are not Proof's health.
        self.sandbox.set_many({f"well{n}": "pending" for n in range(10)})
        self.daemon.import_ids([f"well{n}" for n in range(10)])

    def survive(self, cases):
        self.sandbox.set_many({name: "pending" for name in cases})
        self.sandbox.control("PUT", "faults", [{"path": f"/widget/transactions/{name}", **fault}
                                               for name, fault in cases.items()])
        self.daemon.import_ids(list(cases))

        def well():
            return [name for name in cases if self.daemon.get(name)["consecutive_errors"] == 0]
        wait_until(lambda: not well(), 40, f"each has an error ({well()} have none)")
        for name, fault in cases.items():
            with self.subTest(fault):
                shown = self.daemon.get(name)
                self.assertEqual((shown["state"], shown["status"]), ("tracking", None))
                self.assertTrue(shown["last_error"])
        self.sandbox.clear_faults()
        self.sandbox.set_many({name: "completed" for name in cases})
        for name in cases:
            shown = self.daemon.wait_state(name, "settled", 20)
            self.assertEqual((shown["status"], shown["last_error"], shown["consecutive_errors"]),
                             ("completed", None, 0))
        self.assertEqual(len(self.daemon.events()), len(cases))
        self.assertEqual({line["protocol"] for line in self.daemon.logged("proof.connected")}, {self.PROTOCOL})

    def test_broken_exchanges(self):
        self.survive({
            "close": {"kind": "close"}, "close-header": {"kind": "close", "at": "header"},
            "truncate": {"kind": "truncate"},
            "garbage": {"kind": "garbage"}, "wrong-id": {"kind": "wrong_id"}, "huge": {"kind": "huge", "size": 70_000},
            "stall": {"kind": "stall"}, "silence": {"kind": "stall", "at": "before"},
            "drip": {"kind": "drip", "delay": "20ms"},
            "endless": {"kind": "endless_header"}, "late": {"kind": "delay", "delay": "3s"},
        })

    def test_statuses_without_meaning(self):
        self.survive({f"status-{status}": {
            "kind": "status", "status": status, "body": '{"merchant_transaction_id":"status-%d","status":"completed"}' %
            status,
            "headers": {"Location": self.sandbox.base_url + "/elsewhere"},
        } for status in (201, 202, 204, 206, 301, 302, 304, 307, 308, 402, 409, 418, 422, 500, 502, 503, 504)})
        self.assertFalse([e for e in self.sandbox.log("/") if "elsewhere" in e["path"]], "redirects are never followed")

    def test_a_200_that_is_not_good(self):
        good = '{"merchant_transaction_id":"%s","status":"completed"}'
        json_type = "application/json"
        cases = {}
        for name, body, kind in (
                ("html", "<html>completed</html>", "text/html"), ("empty", "", json_type),
                ("array", '["completed"]', json_type),
                ("trailing", good + " x", json_type), ("two-objects", good + good.replace("%s", "x"), json_type),
                ("no-id", '{"status":"completed"}', json_type),
                ("twice", '{"merchant_transaction_id":"%s","status":"failed","status":"completed"}', json_type),
                ("two-ids", '{"merchant_transaction_id":"x","merchant_transaction_id":"%s","status":"completed"}',
                 json_type),
                ("type", good, "text/plain"), ("number", '{"merchant_transaction_id":"%s","status":1}', json_type),
                ("null", '{"merchant_transaction_id":"%s","status":null}', json_type),
                ("no-status", '{"merchant_transaction_id":"%s"}', json_type),
                ("long-word", '{"merchant_transaction_id":"%s","status":"' + "c" * 500 + '"}', json_type),
                ("nested", '{"data":{"merchant_transaction_id":"%s","status":"completed"}}', json_type)):
            name = f"body-{name}"
            cases[name] = {"kind": "status", "status": 200, "body": body.replace("%s", name),
                           "headers": {"Content-Type": kind}}
        cases["encoded"] = {"kind": "status", "status": 200, "body": good % "encoded",
                            "headers": {"Content-Encoding": "gzip"}}
        self.survive(cases)

    def test_extra_members_and_types_with_parameters_are_good(self):
        body = ('\n {"status" : "completed", "nested": {"status": "failed"}, "x": null, '
                '"merchant_transaction_id":"extra"} \r\n')
        self.sandbox.fault("status", status=200, body=body, path="/widget/transactions/extra",
                           headers={"Content-Type": "application/json; charset=utf-8"})
        self.daemon.track("extra")
        self.assertEqual(self.daemon.wait_state("extra", "settled")["status"], "completed")

    def test_statuses_are_matched_exactly(self):
        for word in ("Completed", "COMPLETED", "complete", "completed ", "paid", "on_hold"):
            name = f"word-{len(word)}-{word.strip()}"
            self.sandbox.set(name, status=word)
            self.daemon.track(name)
            wait_until(lambda: self.daemon.get(name)["status"] == word, 10, word)
            self.assertEqual(self.daemon.get(name)["state"], "tracking")
        self.assertTrue(self.daemon.logged("proof.unknown_status"))
        self.assertIn(b'status="other"', self.daemon.api("GET", "/metrics").body)

    def test_a_404_is_never_an_end(self):
        self.daemon.track("late-visible")
        wait_until(lambda: len(self.sandbox.polls("late-visible")) >= 3, 20, "asked again")
        self.assertEqual(self.daemon.get("late-visible")["state"], "tracking")
        self.sandbox.set("late-visible", status="completed")
        self.daemon.wait_state("late-visible", "settled")


class OneTransactionOverHttp11(OneTransaction):
    HTTP = "1.1"
    PROTOCOL = "http/1.1"


if __name__ == "__main__":
    unittest.main()
