#!/usr/bin/env python3
"""What the alert rules and the dashboard read is what a real daemon exports, from its start on."""

import json
import os
import re
import shutil
import subprocess
import time
import unittest

from harness import ROOT, SystemCase, wait_until
from store_switch import ON_POSTGRES

ALERTS = ROOT / "conf" / "prometheus-alerts.yml"
DASHBOARD = ROOT / "conf" / "grafana-dashboard.json"
PROMTOOL = shutil.which("promtool", path=os.environ.get("PATH", "") + f":{ROOT / '.build/tools/usr/bin'}")


def alert_expressions():
    """Each alert's name and PromQL."""
    text = ALERTS.read_text()
    found = {}
    for entry in re.split(r"^      - alert: ", text, flags=re.M)[1:]:
        name, rest = entry.split("\n", 1)
        found[name.strip()] = re.search(r"^ {8}expr:(.*?)(?=^ {8}\w)", rest, re.M | re.S)[1].lstrip(" |")
    return found


def panel_expressions():
    """Each panel's title and PromQL."""
    found = []

    def walk(panels):
        for panel in panels:
            found.extend((panel["title"], target["expr"]) for target in panel.get("targets", []))
            walk(panel.get("panels", []))
    walk(json.loads(DASHBOARD.read_text())["panels"])
    return found


def selectors(expression):
    """(metric, {label: value}) of each selector in PromQL; matchers that a scrape cannot have (job, instance) are left
    out."""
    for name, inner in re.findall(r"\b((?:prooftrackd|process)_\w+)\b(?:\{([^}]*)\})?", expression):
        equal = re.findall(r'(\w+)="([^"]*)"', inner)
        yield name, {label: value for label, value in equal if label not in ("job", "instance")}


def parse(text):
    """A scrape: [(metric, {label: value}, number)]."""
    series = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            series.append((found[1], dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or "")), float(found[3])))
    return series


class Exported(SystemCase):
    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        self.receiver = self.start_receiver()

    def scrape(self):
        reply = self.daemon.api("GET", "/metrics")
        self.assertEqual(reply.status, 200, reply)
        return parse(reply.body.decode())

    def start(self, **sections):
        daemon = self.start_daemon([self.callback(self.receiver)], callback_url={
            "allow_hosts": ["127.0.0.1"], "secret_file": self.receiver.secret_file}, **sections)
        self.assertEqual(daemon.api("PUT", "/v1/consumers/ledger").status, 201)
        daemon.wait_joined()  # then a node exports what is the cluster's
        return daemon


class FromTheStart(Exported):
    def test_every_series_of_an_alert_or_a_panel_is_there(self):
        self.start()
        scraped = self.scrape()
        read = [(f"alert {name}", one) for name, text in alert_expressions().items() for one in selectors(text)]
        read += [(f"panel {title}", one) for title, text in panel_expressions() for one in selectors(text)]
        self.assertGreater(len(read), 50)
        of_a_node = re.compile(r"prooftrackd_(cluster|lease)_")  # with PostgreSQL alone
        for where, (name, labels) in read:
            if of_a_node.match(name) and not ON_POSTGRES:
                continue
            there = any(name == metric and labels.items() <= have.items() for metric, have, _ in scraped)
            self.assertTrue(there, f"{where} reads {name}{labels}, which is not exported from the start")

    def test_every_counter_is_there_with_each_of_its_labels(self):
        # What appears with its first value is no increase to Prometheus.
        daemon = self.start(poll={"verify_after": ["1s"]})
        before = {(name, tuple(labels.items())) for name, labels, _ in self.scrape()}
        self.receiver.answer = lambda delivery: {"reversed": 204,
                                                 "dead": 410}.get(delivery.event["data"]["merchant_transaction_id"],
                                                                  500)
        for identifier in ("reversed", "dead", "failing"):
            self.sandbox.set(identifier, status="completed")
            daemon.track(identifier)
        daemon.track("odd", callback_url=self.receiver.url)
        self.sandbox.set("odd", status="strange")
        daemon.wait_state("reversed", "settled")
        self.sandbox.set("reversed", status="failed")
        daemon.wait_log("transaction.reversed")
        daemon.track("gone")
        daemon.api("DELETE", "/v1/transactions/gone")
        wait_until(lambda: len(daemon.logged("callback.dead")) == 1 and daemon.logged("callback.failed"), 20,
                   "a dead one and a failed one")
        self.sandbox.fault("status", status=401)
        daemon.wait_log("proof.unauthorized", timeout=20)
        after = {(name, tuple(labels.items())) for name, labels, _ in self.scrape()}
        self.assertEqual(after - before, set())


@unittest.skipUnless(PROMTOOL, "promtool (Debian's prometheus) is not installed")
class Alerts(Exported):
    """promtool judges the rules by what the daemon exported: minutes of one scrape, then minutes of another."""

    interval = ["100ms", "200ms"]

    def judge(self, before, after, expected, at="12m", exact=()):
        """`before` holds for 6 minutes, `after` from then on. Each is (scrape, unix time of it)."""
        values = {}
        for (scraped, when), minutes, start in ((before, 6, 0), (after, 20, 360)):
            for name, labels, number in scraped:
                if name.endswith("_timestamp_seconds") or name == "process_start_time_seconds":
                    number += start - when  # the judge's clock begins at 0
                key = name + json.dumps(labels, sort_keys=True)
                values.setdefault(key, (name, labels, []))[2].append(" ".join([f"{number:.3f}"] * minutes))
        series = []
        for name, labels, parts in values.values():
            inner = ", ".join(f'{label}="{value}"'
                              for label, value in {"job": "prooftrackd", "instance": "shop", **labels}.items())
            # A series that came later was not there before.
            series.append({"series": f"{name}{{{inner}}}", "values": " ".join(["_ " * 6] * (2 - len(parts)) + parts)})
        firing = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in expected]
        tests = [{"interval": "1m", "input_series": series,
                  "alert_rule_test": list(exact),
                  "promql_expr_test": [{"expr": 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0',
                                        "eval_time": at, "exp_samples": firing}]}]
        path = self.folder / "fed.test.yml"
        path.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
        done = subprocess.run([PROMTOOL, "test", "rules", str(path)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, (done.stdout + done.stderr)[-3000:])

    def taken(self):
        return self.without_small_disk(self.scrape()), time.time()

    @staticmethod
    def without_small_disk(scraped):
        """The machine that runs the test may have a full disk of its own."""
        return [(name, labels, max(number, 1e12) if labels.get("kind") == "free" else number)
                for name, labels, number in scraped]

    def test_a_healthy_daemon_alerts_nobody(self):
        daemon = self.start()
        daemon.track("open")
        first = self.taken()
        wait_until(lambda: len(self.sandbox.polls("open")) > 3, 10, "polls")
        scraped, when = self.taken()
        self.judge(first, (scraped, when), [], at="7m")

    def test_the_first_of_its_kind_since_the_start_is_seen(self):
        self.receiver.answer = lambda delivery: 410
        daemon = self.start(poll={"verify_after": ["1s"], "probe_interval": "200ms"})
        before = self.taken()
        self.sandbox.set("reversed", status="completed")
        self.sandbox.set("odd", status="strange")
        daemon.track("reversed")
        daemon.track("odd")
        daemon.wait_state("reversed", "settled")
        self.sandbox.set("reversed", status="failed")
        daemon.wait_log("transaction.reversed")
        daemon.wait_log("callback.dead", 2)
        daemon.config["poll"]["interval"] = "wrong"
        daemon.write_config()
        daemon.reload()
        daemon.wait_log("config.refused")
        self.sandbox.fault("status", status=403)
        daemon.wait_log("proof.forbidden", timeout=20)
        self.sandbox.clear_faults()
        self.sandbox.fault("status", status=401)
        daemon.wait_log("proof.unauthorized", timeout=20)
        after = self.taken()
        expected = ["ProoftrackdReversed", "ProoftrackdUnknownStatus", "ProoftrackdDeadDeliveries",
                    "ProoftrackdReloadFailed",
                    "ProoftrackdServerForbidden", "ProoftrackdTokenRefused"]
        self.judge(before, after, sorted(expected), at="8m")

    def test_before_the_first_good_reply_its_age_is_that_of_the_daemon(self):
        self.sandbox.fault("status", status=500)
        daemon = self.start()
        daemon.track("waiting")
        wait_until(lambda: daemon.get("waiting")["consecutive_errors"] > 0, 10, "an answer that is no good reply")
        at = self.taken()
        by_name = {name: number for name, labels, number in at[0] if not labels}
        self.assertEqual(by_name["prooftrackd_last_good_reply_timestamp_seconds"],
                         by_name["process_start_time_seconds"])
        for name in ("prooftrackd_last_good_reply_timestamp_seconds", "process_start_time_seconds"):
            self.assertLess(abs(by_name[name] - at[1]), 60)
        # As if it had started right then, so that the text is known.
        started = [(name, labels, at[1] if name.endswith("_timestamp_seconds") else number)
                   for name, labels, number in at[0]
                   if name != "prooftrackd_proof_up"]
        alert = {"exp_labels": {"severity": "page", "job": "prooftrackd", "instance": "shop"},
                 "exp_annotations": {"summary": "Proof gave no good reply for 5 minutes while transactions are pending",
                                     "description": "None for 8m 0s (before the first one: since the daemon started). "
                                                    "`prooftrackctl status` says how Proof is."}}
        constant = (started, at[1])
        moved = (started, at[1] + 360)  # the same instant, six minutes later
        self.judge(constant, moved, [], at="4m")
        self.judge(constant, moved, ["ProoftrackdNoGoodReply"], at="8m",
                   exact=[{"eval_time": "8m", "alertname": "ProoftrackdNoGoodReply", "exp_alerts": [alert]}])
        self.sandbox.clear_faults()
        wait_until(lambda: daemon.get("waiting")["status"], 10, "a good reply")
        now = {name: number for name, labels, number in self.scrape() if not labels}
        self.assertLess(abs(now["prooftrackd_last_good_reply_timestamp_seconds"] - time.time()), 10)


if __name__ == "__main__":
    unittest.main()
