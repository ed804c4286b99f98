#!/usr/bin/env python3
"""What README.md shows is what the programs do: examples, configuration, calls, schedule, links."""

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

from harness import ROOT, program

README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "daemon" / "docs").glob("*.md"))]


def blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)\n```$", text, re.S | re.M)


def anchor(heading):
    """GitHub's name for a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


class Readme(unittest.TestCase):
    def test_its_first_screen_has_the_two_commands_and_the_picture(self):
        first = README.split("\n## ")[0]
        for part in ("\ndaemon/demo ", "\ntests/run ", "](daemon/docs/way-of-the-data.svg)"):
            self.assertIn(part, first)
        for command in ("daemon/demo", "tests/run"):
            self.assertTrue(os.access(ROOT / command, os.X_OK), command)

    def test_its_receivers_are_the_programs_that_are_tested(self):
        shown = re.findall(r"<!-- from (tests/system/clients/\S+) -->\n```\w+\n(.*?)\n```\n", README, re.S)
        self.assertEqual({Path(path).parent.name for path, _ in shown}, {"node", "python", "php"})
        for path, code in shown:
            with self.subTest(path):
                self.assertIn(code, (ROOT / path).read_text())

    def test_links_lead_somewhere(self):
        for document in DOCUMENTS:
            text = document.read_text()
            headings = {anchor(line.lstrip("#")) for line in text.splitlines() if line.startswith("#")}
            for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)):
                with self.subTest(f"{document.name}: {target}"):
                    if target.startswith("#"):
                        self.assertIn(target[1:], headings)
                    elif not target.startswith("https://"):
                        self.assertTrue((document.parent / target.split("#")[0]).exists())

    def test_the_configuration_in_ten_lines_is_accepted(self):
        short = blocks("toml")[0]
        self.assertLessEqual(len(short.splitlines()), 10)
        with tempfile.TemporaryDirectory(prefix="pt-", dir="/tmp") as folder:
            for name, content in (("client_token", "token"), ("webhook_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")):
                path = Path(folder, name)
                path.write_text(content + "\n")
                path.chmod(0o600)
            config = Path(folder, "prooftrackd.toml")
            config.write_text(short.replace("/etc/prooftrackd", folder))
            done = subprocess.run([program("prooftrackd"), "--config", str(config), "--check-config"], capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_its_mistakes_are_the_daemons_words(self):
        with tempfile.TemporaryDirectory(prefix="pt-", dir="/tmp") as folder:
            Path(folder, "bad.toml").write_text('[pol]\ninterval = 5\n[poll]\nintervall = ["5s", "10s"]\nbackoff = ["5", "5m"]\n')
            done = subprocess.run([program("prooftrackd"), "--config", "bad.toml", "--check-config"], cwd=folder, capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 78)
        shown = next(block for block in blocks("console") if "bad.toml" in block)
        self.assertEqual(shown.splitlines()[1:], (done.stdout + done.stderr).splitlines(), "README.md shows other words")

    def test_its_table_of_calls_is_the_openapi_document(self):
        described = json.loads((ROOT / "lib" / "api" / "openapi.json").read_text())["paths"]
        wanted = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods if method in ("get", "post", "put", "delete")}
        self.assertEqual(set(re.findall(r"^\| `((?:GET|POST|PUT|DELETE) \S+)` \|", README, re.M)), wanted)

    def test_the_retry_schedule_is_the_one_of_the_reference(self):
        reference = (ROOT / "conf" / "prooftrackd.toml").read_text()
        schedule = re.findall(r'"(\w+)"', re.search(r"retry_schedule = \[(.*?)\]", reference).group(1))
        self.assertIn(", ".join(f"`{one}`" for one in schedule) + " (`retry_schedule`", README)

    def test_its_json_is_json(self):
        for block in blocks("json"):
            with self.subTest(block[:60]):
                self.assertIsInstance(json.loads(block), dict)

    def test_exit_statuses_are_those_of_the_unit(self):
        unit = (ROOT / "systemd" / "prooftrackd.service").read_text()
        final = set(re.search(r"^RestartPreventExitStatus=(.*)$", unit, re.M).group(1).split())
        rows = dict(re.findall(r"^\| (\d+) \| (.*?) \|", README.split("**Exit status of the daemon**")[1].split("\n\n**")[0], re.M))
        self.assertEqual(set(rows), final | {"0", "74", "75"})

    def test_every_room_is_in_the_house(self):
        house = README.split("\n## The house")[1]
        for room in sorted(path.parent for path in (ROOT / "lib").glob("*/README.md")):
            self.assertIn(f"](lib/{room.name}/README.md)", house)

    def test_the_picture_is_well_formed_and_described(self):
        picture = ElementTree.parse(ROOT / "daemon" / "docs" / "way-of-the-data.svg").getroot()
        names = [child.tag.split("}")[1] for child in picture]
        self.assertEqual(names[:2], ["title", "desc"])
        self.assertNotIn("script", names)


class Restoring(unittest.TestCase):
    TEXT = (ROOT / "daemon" / "docs" / "restoring.md").read_text()

    def test_the_messages_and_the_document_agree(self):
        messages = (ROOT / "lib" / "store" / "start_errors.cpp").read_text()
        for name in (".damaged", "-wal", ".bak", "chmod 600", "prooftrackctl backup"):
            self.assertIn(name, messages)
            self.assertIn(name, self.TEXT)


if __name__ == "__main__":
    unittest.main()
