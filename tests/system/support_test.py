#!/usr/bin/env python3
"""daemon/docs/support.md, as support uses it: five made-up complaints of customers are solved with what it shows and
the commands that it gives, and nothing else."""

import re
import subprocess
import unittest

from harness import ROOT, SystemCase, program, wait_until

DOCUMENT = (ROOT / "daemon" / "docs" / "support.md").read_text()


def section(title):
    return DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(language, text):
    return re.findall(rf"^```{language}\n(.*?)\n```$", text, re.S | re.M)


def normal(text):
    """One line without numbers and times, which differ from case to case."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", re.sub(r"\s+", " ", text))
    text = re.sub(r"\b(now|\d+s ago)(?= \(TIME\))", "AGO", text)
    return re.sub(r"(?<![\w-])\d+(m?s|m|h)?( \d+s)?(?![\w-])", "N", text)


class Complaints(SystemCase):
    def setUp(self):
        super().setUp()
        self.is_broken = False
        self.refused = set()
        self.receiver = self.start_receiver()
        self.receiver.answer = lambda delivery: 500 if self.refuses(delivery) else 204
        self.start_sandbox()

    def refuses(self, delivery):
        return self.is_broken or delivery.event["type"] in self.refused

    def start(self, schedule, **poll):
        return self.start_daemon([self.callback(self.receiver, retry_schedule=schedule)],
                                 poll={"interval": ["100ms", "200ms"], "verify_after": [], **poll})

    def run_ctl(self, *words):
        done = subprocess.run([program("prooftrackctl"), "--socket", self.daemon.socket, *words], capture_output=True,
                              text=True, timeout=30)
        return done.stdout + done.stderr

    def explain(self, identifier):
        return self.run_ctl("explain", identifier)

    def assert_shown(self, block, output):
        for line in block.splitlines():
            self.assertIn(normal(line.strip()), normal(output))

    def do(self, text, wanted):
        """The document's command lines that begin like this, as they stand there."""
        lines = [line for block in blocks("sh", text) for line in block.splitlines() if line.startswith(wanted)]
        self.assertTrue(lines, f"{wanted} is not in that section")
        return [self.run_ctl(*line.split()[1:]) for line in lines]

    def credited(self, identifier):
        """Whether the merchant's backend has accepted that it is completed."""
        return any(one.event["data"]["status"] == "completed" and not self.refuses(one)
                   for one in self.receiver.of(identifier))

    def wait_credited(self, identifier):
        wait_until(lambda: self.credited(identifier), 10, f"{identifier} is credited")

    def test_nobody_gave_its_id_to_the_daemon(self):
        text = section("It is not tracked here")
        self.start(["1s"])
        self.sandbox.set("order-2001", status="completed")
        shown, refusal = blocks("text", text)
        self.assert_shown(shown, self.explain("order-2001"))
        # The backend had tried, with a URL that is not allowed: this is what it was answered, and the log has nothing.
        self.assert_shown(refusal, self.run_ctl("track", "order-2001", "--callback-url", "https://new.example/proof"))
        self.assertEqual([line for line in self.daemon.logged("api.change")
                          if line.get("merchant_transaction_id") == "order-2001"], [])
        self.do(text, "prooftrackctl track order-2001")
        self.wait_credited("order-2001")
        self.assertEqual([line["action"] for line in self.daemon.logged("api.change")
                          if line.get("merchant_transaction_id") == "order-2001"], ["track"])

    def test_proof_failed_it(self):
        text = section("Proof says failed or cancelled")
        self.start(["1s"])
        self.sandbox.set("order-2002", status="failed")
        self.daemon.track("order-2002")
        self.daemon.wait_state("order-2002", "settled")
        self.assert_shown(blocks("text", text)[0], self.explain("order-2002"))
        # The customer tried again, and Proof has changed its mind.
        self.sandbox.set("order-2002", status="completed")
        self.do(text, "prooftrackctl poll order-2002")
        self.wait_credited("order-2002")
        self.assertEqual(self.receiver.of("order-2002")[-1].event["type"], "transaction.reversed")

    def test_proof_took_its_time(self):
        text = section("Proof has not ended it")
        self.start(["1s"], overdue_after="1s", tail_interval="1h")
        self.sandbox.set("order-2003", status="pending")
        self.daemon.track("order-2003")
        self.daemon.wait_state("order-2003", "overdue")
        self.assert_shown(blocks("text", text)[0].replace("\n", " "), self.explain("order-2003"))
        self.sandbox.set("order-2003", status="completed")
        self.do(text, "prooftrackctl poll order-2003")
        self.wait_credited("order-2003")
        explained = self.explain("order-2003")
        self.assertIn('"updated_at":', explained)
        self.assertRegex(explained.split("\nchanges\n")[1], r"(?m)^ +\S+Z .* settled completed ")
        wait_until(lambda: '"last_attempt_at":"2' in self.do(text, "prooftrackctl --json deliveries")[0], 5, "its time")

    def test_the_backend_answered_500_until_the_delivery_was_dead(self):
        text = section("Its delivery is dead")
        self.is_broken = True
        self.start(["100ms"] * 7)
        self.sandbox.set("order-2004", status="completed")
        self.daemon.track("order-2004")
        wait_until(lambda: self.daemon.logged("callback.dead"), 15, "a dead delivery")
        self.assert_shown(blocks("text", text)[0], self.explain("order-2004"))
        self.assertFalse(self.credited("order-2004"))
        self.receiver.deliveries.clear()
        self.is_broken = False
        said = self.do(text, "prooftrackctl redeliver")
        self.wait_credited("order-2004")
        self.assertNotIn("prooftrackctl: ", said[0])

    def test_the_money_waits_behind_an_event_that_is_refused(self):
        text = section("Its delivery waits")
        self.refused = {"transaction.overdue"}
        self.start(["10m"], overdue_after="500ms", tail_interval="500ms")
        self.sandbox.set("order-2005", status="pending")
        self.daemon.track("order-2005")
        wait_until(lambda: self.receiver.of("order-2005"), 10, "the first attempt")
        self.sandbox.set("order-2005", status="completed")
        self.daemon.wait_state("order-2005", "settled")
        self.assert_shown(blocks("text", text)[0], self.explain("order-2005"))
        self.assertFalse(self.credited("order-2005"))
        self.refused = set()
        self.receiver.deliveries.clear()
        self.do(text, "prooftrackctl redeliver")
        self.wait_credited("order-2005")
        self.assertEqual([one.event["type"] for one in self.receiver.of("order-2005")],
                         ["transaction.overdue", "transaction.completed"])

    def test_what_its_table_looks_up_has_a_section(self):
        rows = re.findall(r"^\| `.*\| \[.*\]\(#([\w-]+)\) \|$", DOCUMENT, re.M)
        self.assertEqual(len(rows), 8)
        titles = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
                  for title in re.findall(r"^## (.*)$", DOCUMENT, re.M)}
        self.assertEqual(set(rows) - titles, set())


if __name__ == "__main__":
    unittest.main()
