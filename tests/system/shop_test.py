#!/usr/bin/env python3
"""The example shop in a real browser: an order turns by the daemon's word alone, whatever the widget says and whoever
goes away.

Needs chromium and npm's playwright-core (installed into .build/npm). The screenshots stay in .build/screenshots.
"""

import json
import os
import shutil
import subprocess
import unittest
from pathlib import Path

from harness import ROOT, SystemCase, wait_until

PLAYWRIGHT = "playwright-core@1.60.0"  # the last one for Node 18, which is Debian 12's
PACKAGES = ROOT / ".build" / "npm" / PLAYWRIGHT
SCREENSHOTS = ROOT / ".build" / "screenshots"
SCRIPT = Path(__file__).parent / "browser" / "shop.mjs"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def install_playwright():
    if (PACKAGES / "node_modules" / "playwright-core" / "package.json").exists():
        return
    PACKAGES.mkdir(parents=True, exist_ok=True)
    (PACKAGES / "package.json").write_text('{"private": true}')
    try:
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts",
                               "--fetch-retries=1",
                               "--fetch-timeout=20000", PLAYWRIGHT], cwd=PACKAGES, capture_output=True, text=True,
                              timeout=90)
    except subprocess.TimeoutExpired:
        raise unittest.SkipTest(f"npm install {PLAYWRIGHT} took over 90 s")
    if done.returncode != 0:
        raise unittest.SkipTest(f"npm install {PLAYWRIGHT}: {done.stderr.strip()[-300:]}")


class Shop(SystemCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not CHROMIUM:
            raise unittest.SkipTest("chromium is needed (Debian: chromium)")
        if not (shutil.which("node") and shutil.which("npm")):
            raise unittest.SkipTest("node and npm are needed (Debian: nodejs npm)")
        install_playwright()
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def setUp(self):
        super().setUp()
        self.start_sandbox("--shop", "127.0.0.1:0", "--daemon", str(self.folder / "api.sock"))
        self.shop_url = (self.sandbox.folder / "shop_url").read_text().strip()
        self.receiver = self.start_receiver()
        self.start_daemon([self.callback(self.receiver)])

    def browse(self, name, answers=None):
        """Runs one case; `answers` maps what the browser asks for to what is done about it."""
        browser = subprocess.Popen(["node", str(SCRIPT), name, self.shop_url, str(PACKAGES), str(SCREENSHOTS)],
                                   stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "CHROMIUM": CHROMIUM})
        self.addCleanup(lambda: browser.poll() is None and browser.kill())
        for question, act in (answers or {}).items():
            line = browser.stdout.readline().strip()
            self.assertEqual(line, question, line)
            act()
            browser.stdin.write("done\n")
            browser.stdin.flush()
        out, trouble = browser.communicate(timeout=120)
        self.assertTrue(out.strip(), trouble)
        seen = json.loads(out.splitlines()[-1])
        self.assertEqual(browser.returncode, 0, f"{seen.get('problem')}\n{seen['console']}\n{trouble}")
        self.assertEqual(seen["console"], [])
        everything = "\n".join(seen["bodies"])
        self.assertGreater(len(everything), 1000)
        self.assertNotIn(self.sandbox.token, everything, "the browser got the client_token")
        return seen

    def assert_ended(self, seen, status):
        """The daemon tracked the order's transaction to the same end, and told the merchant's backend once."""
        (transaction,) = self.daemon.all_transactions()
        self.assertEqual((transaction["state"], transaction["status"]), ("settled", status))
        self.assertEqual(transaction["metadata"], {"order": seen["order"]})
        told = wait_until(lambda: self.receiver.of(transaction["merchant_transaction_id"]), 10, "the callback")
        self.assertEqual([(d.event["type"], d.verified) for d in told], [(f"transaction.{status}", True)])

    def test_a_buy_that_completes(self):
        seen = self.browse("buy")
        self.assertEqual((seen["badge"], seen["widget"]), ("Paid", "paid"))
        self.assertEqual(seen["when_widget_spoke"], "waiting", "the order turned on the widget's word")
        self.assert_ended(seen, "completed")

    def test_a_sell_that_fails(self):
        seen = self.browse("sell")
        self.assertEqual((seen["badge"], seen["when_widget_spoke"]), ("Failed", "waiting"))
        self.assert_ended(seen, "failed")

    def test_a_cancelled_one(self):
        self.assert_ended(self.browse("cancel"), "cancelled")

    def test_the_tab_is_closed_in_the_middle(self):
        ended = lambda: wait_until(lambda: [one["state"] for one in self.daemon.all_transactions()] == ["settled"], 15,
                                   "the end")
        self.assert_ended(self.browse("close", {"ended?": ended}), "completed")

    def test_the_daemon_is_killed_and_restarted_in_the_middle(self):
        seen = self.browse("restart", {"daemon down?": self.daemon.kill, "daemon up?": self.daemon.start})
        self.assert_ended(seen, "completed")

    def test_a_narrow_screen(self):
        self.assertEqual(self.browse("narrow")["overflow"], 0, "the page is wider than the screen")

    def test_dark_mode(self):
        self.assertEqual(self.browse("dark")["background"], "rgb(20, 33, 31)")

    def test_amounts_that_are_none_are_refused(self):
        self.browse("refused")
        self.assertEqual(self.daemon.all_transactions(), [])


if __name__ == "__main__":
    unittest.main()
