#!/usr/bin/env python3
"""The packages for receivers by themselves: each one's own tests, what npm takes along, and that the three are one: the
project's version, the same tables, the same statements."""

import json
import os
import re
import shutil
import subprocess
import sys
import unittest

from client_case import PHP, RECEIVERS
from harness import ROOT


class Packages(unittest.TestCase):
    def run_in(self, package, *command, **environment):
        return subprocess.run(command, cwd=RECEIVERS / package, env={**os.environ, **environment}, capture_output=True,
                              text=True, timeout=120)

    @unittest.skipUnless(shutil.which("node"), "node is needed (Debian: nodejs)")
    def test_node(self):
        done = self.run_in("node", "node", "--test")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(int(re.search(r"^(?:#|ℹ) pass (\d+)$", done.stdout, re.M).group(1)), 10, done.stdout)

    def test_python(self):
        done = self.run_in("python", sys.executable, "-B", "-m", "unittest", "discover", "-s", "tests", PYTHONPATH=".")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(int(re.search(r"^Ran (\d+) tests", done.stderr, re.M).group(1)), 10)

    @PHP
    def test_php(self):
        done = self.run_in("php", "php", "tests/run.php")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(int(re.search(r"^(\d+) checks, 0 failed$", done.stdout, re.M).group(1)), 40)

    @unittest.skipUnless(shutil.which("npm"), "npm is needed (Debian: npm)")
    def test_npm_packs_what_a_shop_needs(self):
        done = self.run_in("node", "npm", "pack", "--dry-run", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        packed = {one["path"] for one in json.loads(done.stdout)[0]["files"]}
        self.assertLessEqual({"package.json", "README.md", "index.mjs", "schema.sql", "examples/express.mjs"}, packed)
        self.assertFalse([path for path in packed if path.startswith("test")])

    def test_composer_finds_each_class(self):
        folder = RECEIVERS / "php"
        ((prefix, where),) = json.loads((folder / "composer.json").read_text())["autoload"]["psr-4"].items()
        classes = list((folder / where).glob("*.php"))
        self.assertGreaterEqual(len(classes), 5)
        for path in classes:
            text = path.read_text()
            self.assertIn(f"\nnamespace {prefix.rstrip(chr(92))};\n", text)
            self.assertRegex(text, rf"\nfinal class {path.stem}\b")

    def test_their_version_is_the_projects(self):
        version = re.search(r"project\(prooftrackd VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
        module = (RECEIVERS / "python" / "prooftrackd_receiver.py").read_text()
        self.assertEqual({
            "npm": json.loads((RECEIVERS / "node" / "package.json").read_text())["version"],
            "Composer": json.loads((RECEIVERS / "php" / "composer.json").read_text())["version"],
            "module": re.search(r'^__version__ = "(.*)"$', module, re.M).group(1),
        }, dict.fromkeys(("npm", "Composer", "module"), version))

    def test_they_share_their_tables_and_statements(self):
        schemas = {(RECEIVERS / name / "schema.sql").read_bytes() for name in ("node", "python", "php")}
        self.assertEqual(len(schemas), 1)

        def statements(path):
            """As words, whatever quotes, signs or breaks of the language stand in between."""
            code = re.sub(r"['\"+]", " ", (RECEIVERS / path).read_text())
            found = re.findall(r"\b(INSERT INTO proof_\w+ \(.*?= \?\)|UPDATE proof_\w+ SET .*?(?:<|<>) \?)", code, re.S)
            return [" ".join(one.split()) for one in found]

        node = statements("node/index.mjs")
        self.assertEqual(len(node), 4)
        self.assertEqual(statements("python/prooftrackd_receiver.py"), node)
        self.assertEqual(statements("php/src/Ledger.php"), node)

    def test_no_signature_is_compared_with_equals(self):
        for path, constant_time in (("node/index.mjs", "timingSafeEqual(one, wanted)"),
                                    ("python/prooftrackd_receiver.py", "hmac.compare_digest(one.encode(), wanted)"),
                                    ("php/src/Webhook.php", "hash_equals($wanted, $given)")):
            self.assertIn(constant_time, (RECEIVERS / path).read_text())


if __name__ == "__main__":
    unittest.main()
