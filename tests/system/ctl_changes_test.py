#!/usr/bin/env python3
"""`prooftrackctl set`, `untrack` by a filter and `redeliver --dead --dry-run`, against a fake daemon."""

import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from ctl_case import ctl_case, terminal  # noqa: E402


class Changes(ctl_case):
    def setUp(self):
        super().setUp()
        for number, state in enumerate(("tracking", "overdue", "overdue", "not_found", "settled")):
            self.daemon.track(f"t-{number}", state=state)

    def asked(self):
        return [json.loads(body) for method, target, _, body in self.daemon.requests
                if (method, target) == ("POST", "/v1/transactions/untrack")]

    def states(self):
        return [one["state"] for one in self.daemon.transactions.values()]

    def test_set(self):
        out, _ = self.run_ctl("set", "t-0", "--metadata", "order=B", "--metadata", "plan=", "--callback-url",
                              "https://shop.example/x")
        self.assertTrue(out.startswith("changed t-0\n"), out)
        method, target, _, body = self.daemon.requests[-1]
        self.assertEqual((method, target), ("PATCH", "/v1/transactions/t-0"))
        self.assertEqual(json.loads(body),
                         {"metadata": {"order": "B", "plan": ""}, "callback_url": "https://shop.example/x"})
        out, _ = self.run_ctl("--json", "set", "t-0", "--no-callback-url")
        self.assertEqual(json.loads(self.daemon.requests[-1][3]), {"callback_url": None})
        self.assertEqual(json.loads(out)["metadata"], {"order": "B", "plan": ""})
        _, err = self.run_ctl("set", "unknown", "--no-callback-url", expect=1)
        self.assertIn("unknown_transaction", err)

    def test_untrack_by_a_filter_asks_nothing_in_a_script(self):
        out, _ = self.run_ctl("untrack", "--state", "overdue", "--state", "not_found", "--status", "pending",
                              "--metadata", "order=A=1", "--tracked-before", "2026-04-01", "--dry-run")
        self.assertEqual(out, "3 would be untracked\n")
        rest = {"status": "pending", "metadata.order": "A=1", "tracked_before": "2026-04-01T00:00:00.000Z"}
        self.assertEqual(self.asked(), [{"filter": {"state": state, **rest}, "dry_run": True}
                                        for state in ("overdue", "not_found")])
        out, _ = self.run_ctl("untrack", "--state", "overdue")
        self.assertEqual(out, "2 untracked\n")
        self.assertEqual(self.states(), ["tracking", "untracked", "untracked", "not_found", "settled"])
        out, _ = self.run_ctl("--json", "untrack", "--tracked-before", "1h")
        self.assertEqual(json.loads(out), {"matched": 2, "untracked": 2})
        self.assertEqual(list(self.asked()[-1]["filter"]), ["tracked_before"])

    def test_a_failure_half_way_says_what_is_done(self):
        self.daemon.fail_next.append((503, "store_unavailable"))
        _, err = self.run_ctl("untrack", "--state", "overdue", expect=1)
        self.assertIn("Repeating is safe", err)

    def test_a_terminal_is_asked_first(self):
        for answer, status, state in ((b"\n", 1, "overdue"), (b"no\n", 1, "overdue"), (b"\x04", 1, "overdue"),
                                      (b"y\n", 0, "untracked")):
            screen = terminal(["--socket", self.socket, "untrack", "--state", "overdue"])
            screen.read_until(b"End the tracking of 2 transactions? [y/N] ")
            screen.send(answer)
            self.assertEqual(screen.wait(), status, answer)
            self.assertEqual(self.states()[1], state, answer)
        self.assertEqual([one["dry_run"] for one in self.asked()], [True, True, True, True, False])

    def test_a_terminal_is_not_asked_with_yes_nor_about_nothing(self):
        for arguments in (["--state", "rejected"], ["--state", "overdue", "--yes"], ["--state", "not_found", "-y"]):
            screen = terminal(["--socket", self.socket, "untrack", *arguments])
            self.assertEqual(screen.wait(), 0)
            self.assertNotIn(b"?", screen.text)
        self.assertEqual(self.states(), ["tracking", "untracked", "untracked", "untracked", "settled"])

    def test_ctrl_c_at_the_question_changes_nothing(self):
        screen = terminal(["--socket", self.socket, "untrack", "--state", "overdue"])
        screen.read_until(b"[y/N] ")
        screen.send(b"\x03")
        self.assertEqual(screen.wait(), 130)
        self.assertEqual(self.states()[1], "overdue")

    def test_redeliver_counts(self):
        for number in range(1203):
            self.daemon.add_delivery("t-4", "dead", callback="ledger" if number % 2 else "backend")
        self.daemon.add_delivery("t-4", "pending")
        out, _ = self.run_ctl("redeliver", "--dead", "--dry-run")
        self.assertEqual(out, "1,203 dead deliveries would be due again\n")
        out, _ = self.run_ctl("redeliver", "--dead", "--callback", "ledger", "--dry-run")
        self.assertEqual(out, "601 dead deliveries would be due again for ledger\n")
        out, _ = self.run_ctl("--json", "redeliver", "--dead", "--dry-run")
        self.assertEqual(json.loads(out), {"dead": 1203})
        self.assertEqual({one[0] for one in self.daemon.requests}, {"GET"})


if __name__ == "__main__":
    unittest.main()
