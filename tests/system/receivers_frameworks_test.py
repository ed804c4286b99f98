#!/usr/bin/env python3
"""The receivers' examples in the frameworks that they are for, against the real daemon: Express from npm, Flask and
Laravel's components from Debian."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import client_case
from client_case import NODE, PHP, RECEIVERS, npm_install


@NODE
class Express(client_case.FrameworkCase):
    """In a project of npm that has installed the packed package, as a shop does."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.project = Path(tempfile.mkdtemp(prefix="pt-express-", dir="/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.project, True)
        if not shutil.which("npm"):
            raise unittest.SkipTest("npm is needed (Debian: npm)")
        packed = subprocess.run(["npm", "pack", "--silent", "--pack-destination", cls.project, RECEIVERS / "node"],
                                cwd=cls.project, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
        npm_install(cls.project, f"./{packed}", "express@4")
        for example in (cls.project / "node_modules" / "prooftrackd-receiver" / "examples").iterdir():
            shutil.copy(example, cls.project)

    def command(self, port):
        return ["node", str(self.project / "express.mjs")]

    def test_a_body_that_was_parsed_before_is_an_error_that_says_so(self):
        text = (self.project / "express.mjs").read_text()
        parser = "app.use(express.json());\n"
        self.assertIn(parser, text)
        wrong = self.project / "wrong.mjs"
        wrong.write_text(text.replace(parser, "").replace("app.post(", f"{parser}app.post("))
        self.client.kill()
        self.command = lambda port: ["node", str(wrong)]
        self.launch_client()
        self.assertEqual(self.send("parsed"), 500)
        self.assertIn("the body must be the bytes as they came", self.client.output())
        self.assertEqual(self.ledger.credited(), set())


def python_with_flask():
    """This Python, or the distribution's, whose packages it may not see."""
    for python in (sys.executable, "/usr/bin/python3"):
        found = subprocess.run([python, "-c", "import flask"], capture_output=True) if os.path.exists(python) else None
        if found and found.returncode == 0:
            return python
    return None


@unittest.skipUnless(python_with_flask(), "Flask is needed (Debian: python3-flask)")
class Flask(client_case.FrameworkCase):
    environment = {"PYTHONPATH": str(RECEIVERS / "python"), "PYTHONDONTWRITEBYTECODE": "1"}

    def command(self, port):
        return [python_with_flask(), str(RECEIVERS / "python" / "examples" / "flask_app.py")]


ILLUMINATE = Path("/usr/share/php/Illuminate")


@PHP
@unittest.skipUnless(all((ILLUMINATE / part).is_dir() for part in ("Routing", "Database")),
                     "Laravel's parts are needed (Debian 12: php-illuminate-routing php-illuminate-database)")
class Laravel(client_case.FrameworkCase):
    has_no_start = True
    environment = {"RECEIVER": str(RECEIVERS / "php")}

    def command(self, port):
        return ["php", "-S", f"127.0.0.1:{port}", str(Path(__file__).with_name("laravel_front.php"))]


if __name__ == "__main__":
    unittest.main()
