#!/usr/bin/env python3
"""daemon/demo: ends well within 30 s, ends badly with the reason, and leaves nothing behind."""

import glob
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

from harness import ROOT, SLACK, program, wait_until
from postgres_server import MISSING, PROGRAMS

DEMO = str(ROOT / "daemon" / "demo")


def leftovers():
    return set(glob.glob("/tmp/prooftrackd-demo.*"))


class Demo(unittest.TestCase):
    def setUp(self):
        self.before = leftovers()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.bin = Path(folder.name)
        for name in ("prooftrackd", "prooftrackctl", "proof-sandbox"):
            (self.bin / name).symlink_to(program(name))

    def run_demo(self, *options):
        return subprocess.run([DEMO, "--bin", str(self.bin), *options], capture_output=True, text=True, timeout=120)

    def test_it_ends_well_and_cleans_up(self):
        began = time.monotonic()
        done = self.run_demo()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertLess(time.monotonic() - began, 30 + 10 * SLACK)
        for word in ("transaction.completed", "transaction.failed", "transaction.cancelled", "base_url"):
            self.assertIn(word, done.stdout)
        self.assertNotIn("\x1b", done.stdout, "colours only on a terminal")
        self.assertLessEqual(leftovers(), self.before)

    def test_what_it_prints_at_its_end_works_word_for_word(self):
        with tempfile.TemporaryDirectory(prefix="pt-", dir="/tmp") as home:
            environment = {**os.environ, "HOME": home}
            done = subprocess.run([DEMO, "--bin", str(self.bin)], capture_output=True, text=True, timeout=120,
                                  env=environment)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            printed = done.stdout.split("in a folder of your own")[1].split("\n\n", 1)[1]
            script, rest = printed.split("\nand in another terminal:\n\n")
            *before, start = script.strip().splitlines()
            made = subprocess.run(["bash", "-ec", "\n".join(before)], input="token\n", capture_output=True, text=True,
                                  timeout=20, env=environment)
            self.assertEqual((made.returncode, made.stderr), (0, ""))
            own = Path(home, "prooftrackd")
            config = own / "prooftrackd.toml"
            config.write_text(config.read_text().replace("https://DOMAIN", "https://proof.invalid"))
            daemon = subprocess.Popen(["bash", "-c", "exec " + start], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, text=True, env=environment)
            try:
                wait_until((own / "prooftrackd.sock").exists, 20, "the daemon's socket")
                track = rest.strip().splitlines()[0].replace("MERCHANT_TRANSACTION_ID",
                                                             "order-1").replace(" --wait", "")
                tracked = subprocess.run(["bash", "-c", track], capture_output=True, text=True, timeout=20,
                                         env=environment)
                self.assertEqual(tracked.returncode, 0, tracked.stderr)
            finally:
                daemon.terminate()
                _, said = daemon.communicate(timeout=30)
            self.assertEqual(daemon.returncode, 0, said)

    def test_with_the_shop_it_prints_an_address_and_runs_until_interrupted(self):
        demo = subprocess.Popen([DEMO, "--bin", str(self.bin), "--shop"], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
        self.addCleanup(lambda: demo.poll() is None and demo.kill())
        address = None
        for line in demo.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line) if line.startswith("The shop is open") else None:
                address = found.group(0)
            if "Ctrl-C" in line:
                break
        self.assertTrue(address, "no address of the shop")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=10) as page:
            self.assertIn(b"Continue", page.read())
        self.assertIsNone(demo.poll())
        demo.send_signal(signal.SIGINT)
        output, _ = demo.communicate(timeout=30)
        self.assertEqual(demo.returncode, 0, output)
        self.assertLessEqual(leftovers(), self.before)

    @unittest.skipUnless(PROGRAMS, MISSING)
    def test_with_a_cluster_a_killed_node_costs_no_poll_and_no_callback(self):
        done = self.run_demo("--cluster")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"after \d+\.\d s each of them was polled by a or c")
        self.assertIn("30 x transaction.completed, none lost", done.stdout)
        self.assertLessEqual(leftovers(), self.before)

    def test_a_daemon_that_does_not_start_is_reported(self):
        (self.bin / "prooftrackd").unlink()
        (self.bin / "prooftrackd").write_text("#!/bin/sh\necho no luck today >&2\nexit 78\n")
        (self.bin / "prooftrackd").chmod(0o755)
        done = self.run_demo()
        self.assertNotIn(done.returncode, (0, None))
        self.assertIn("no luck today", done.stderr)
        self.assertLessEqual(leftovers(), self.before)

    def test_interrupted_it_leaves_no_process(self):
        demo = subprocess.Popen([DEMO, "--bin", str(self.bin)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True)
        for line in demo.stdout:
            if line.startswith("Live"):
                break
        (state,) = leftovers() - self.before
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=30)
        self.assertNotEqual(demo.returncode, 0)
        self.assertLessEqual(leftovers(), self.before)
        running = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                running.append(Path(path).read_bytes().decode(errors="replace"))
            except OSError:
                pass
        self.assertFalse([line for line in running if state in line])


if __name__ == "__main__":
    unittest.main()
