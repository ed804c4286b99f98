#!/usr/bin/env python3
"""What README.md and daemon/docs show is what the programs do: examples, configuration, calls, schedule, links; and
they stay readable: lengths, and a way from the README to each document."""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

from harness import ROOT, program

DOCS = ROOT / "daemon" / "docs"
README = (ROOT / "README.md").read_text()
RECEIVERS = (DOCS / "receivers.md").read_text()
OPERATIONS = (DOCS / "operations.md").read_text()
REFERENCE = (DOCS / "reference.md").read_text()
READABLE = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
DOCUMENTS = [*READABLE, ROOT / "CHANGELOG.md", *sorted((ROOT / "daemon" / "receivers").rglob("README.md"))]


def blocks(language, text):
    return re.findall(rf"^```{language}\n(.*?)\n```$", text, re.S | re.M)


def without_code(text):
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.S | re.M)


def links(text):
    return re.findall(r"\]\(([^)\s]+)\)", without_code(text))


def anchors(text):
    """GitHub's names for the headings."""
    headings = [line.lstrip("#") for line in without_code(text).splitlines() if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def unwrapped(text):
    return re.sub(r"\s+", " ", text)


class Form(unittest.TestCase):
    def test_the_readme_is_short(self):
        self.assertLessEqual(len(README.splitlines()), 250)

    def test_no_line_is_over_120_columns(self):
        long = [f"{path.relative_to(ROOT)}:{number}: {len(line)} columns" for path in DOCUMENTS
                for number, line in enumerate(path.read_text().splitlines(), 1) if len(line) > 120]
        self.assertEqual(long, [])

    def test_every_document_is_linked_from_the_readme(self):
        linked = {target.split("#")[0] for target in links(README)}
        self.assertEqual({str(path.relative_to(ROOT)) for path in DOCS.iterdir() if path.suffix == ".md"} - linked,
                         set())

    def test_every_picture_is_shown(self):
        shown = {(path.parent / target).resolve() for path in READABLE for target in links(path.read_text())}
        self.assertEqual({path for path in DOCS.iterdir() if path.suffix in (".svg", ".png")} - shown, set())

    def test_links_lead_somewhere(self):
        for document in DOCUMENTS:
            text = document.read_text()
            for link in links(text):
                with self.subTest(f"{document.name}: {link}"):
                    if link.startswith("https://"):
                        continue
                    path, _, heading = link.partition("#")
                    target = document.parent / path if path else document
                    self.assertTrue(target.exists())
                    if heading:
                        self.assertIn(heading, anchors(target.read_text()))

    def test_the_readme_says_what_is_where(self):
        """Each part that moved out of the README has one place."""
        for text, headings in (
                (README, ("configuration-in-ten-lines", "what-it-promises", "crediting-exactly-once", "install",
                          "where-to-read-on")),
                (RECEIVERS, ("the-rules", "the-tables", "node", "python", "php", "kinds-of-callbacks",
                             "reading-events-instead")),
                (OPERATIONS, ("install-and-run-as-a-service", "log", "metrics-and-alerts", "rotating-secrets",
                              "exit-statuses")),
                (REFERENCE, ("the-api", "prooftrackctl", "states-and-events", "callbacks", "limits",
                             "choices-of-ours"))):
            self.assertEqual(set(headings) - anchors(text), set())


class Readme(unittest.TestCase):
    def test_its_first_screen_has_the_two_commands_and_the_picture(self):
        first = README.split("\n## ")[0]
        for part in ("\ndaemon/demo ", "\ntests/run ", "](daemon/docs/way-of-the-data.svg)"):
            self.assertIn(part, first)
        for command in ("daemon/demo", "tests/run"):
            self.assertTrue(os.access(ROOT / command, os.X_OK), command)

    def test_the_configuration_in_ten_lines_is_accepted(self):
        short = blocks("toml", README)[0]
        self.assertLessEqual(len(short.splitlines()), 10)
        with tempfile.TemporaryDirectory(prefix="pt-", dir="/tmp") as folder:
            for name, content in (("client_token", "token"),
                                  ("webhook_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")):
                path = Path(folder, name)
                path.write_text(content + "\n")
                path.chmod(0o600)
            config = Path(folder, "prooftrackd.toml")
            config.write_text(short.replace("/etc/prooftrackd", folder))
            done = subprocess.run([program("prooftrackd"), "--config", str(config), "--check-config"],
                                  capture_output=True,
                                  text=True, timeout=20)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_its_mistakes_are_worded_as_the_daemons(self):
        with tempfile.TemporaryDirectory(prefix="pt-", dir="/tmp") as folder:
            Path(folder, "bad.toml").write_text('[pol]\ninterval = 5\n[poll]\nintervall = ["5s", "10s"]\nbackoff = '
                                                '["5", "5m"]\n')
            done = subprocess.run([program("prooftrackd"), "--config", "bad.toml", "--check-config"], cwd=folder,
                                  capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 78)
        shown = next(block for block in blocks("console", README) if "bad.toml" in block)
        self.assertEqual(shown.splitlines()[1:], (done.stdout + done.stderr).splitlines(),
                         "README.md shows other words")

    def test_every_module_is_in_its_table(self):
        modules = README.split("\n## The modules")[1]
        for folder in sorted(path.parent for path in (ROOT / "lib").glob("*/README.md")):
            self.assertIn(f"](lib/{folder.name}/README.md)", modules)

    def test_it_installs_as_the_operations_document_does(self):
        def commands(text):
            block = next(block for block in blocks("sh", text) if "systemctl enable" in block)
            return [re.sub(r"\s+#.*", "", line) for line in block.splitlines()]

        self.assertEqual(commands(README), commands(OPERATIONS))
        for path in re.findall(r"^(?:sudo )?(tests/\S+)", "\n".join(commands(README)), re.M):
            self.assertTrue(os.access(ROOT / path, os.X_OK), path)

    def test_the_picture_is_well_formed_and_described(self):
        picture = ElementTree.parse(DOCS / "way-of-the-data.svg").getroot()
        names = [child.tag.split("}")[1] for child in picture]
        self.assertEqual(names[:2], ["title", "desc"])
        self.assertNotIn("script", names)


class Examples(unittest.TestCase):
    """What is shown in any of the documents."""

    def test_json_is_json(self):
        found = [(path, block) for path in READABLE for block in blocks("json", path.read_text())]
        self.assertGreaterEqual(len(found), 5)
        for path, block in found:
            with self.subTest(f"{path.name}: {block[:60]}"):
                self.assertIsInstance(json.loads(block), dict)

    def test_the_commands_and_options_exist(self):
        """Each prooftrackctl command line that a code block shows, held against the help of that command."""
        shown = {}
        for path in READABLE:
            code = "\n".join(re.findall(r"^ *```(?:sh|console)\n(.*?)^ *```$", path.read_text(), re.S | re.M))
            for line in re.findall(r"^(?:\$ )?(.*?\bprooftrackctl .*)$", code, re.M):
                for words in re.findall(r"\bprooftrackctl ([^|>&#]+)", line):
                    if not line.startswith("  "):  # the output of explain names commands too
                        shown.setdefault(words.strip(), path.name)
        self.assertGreaterEqual(len(shown), 10)
        for words, name in shown.items():
            with self.subTest(f"{name}: prooftrackctl {words}"):
                words = [word for word in words.split() if word != "--json"]
                depth = 2 if words[0] in ("secret", "callback") else 1
                done = subprocess.run([program("prooftrackctl"), *words[:depth], "--help"], capture_output=True,
                                      text=True,
                                      timeout=20)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(f"Usage: prooftrackctl {' '.join(words[:depth])} ", done.stdout, "an unknown command")
                for option in [word for word in words if word.startswith("--")]:
                    self.assertIn(option, done.stdout)


class Receivers(unittest.TestCase):
    def test_the_receivers_are_the_programs_that_are_tested(self):
        shown = re.findall(r"<!-- from (daemon/receivers/\S+) -->\n```\w+\n(.*?)\n```\n", RECEIVERS, re.S)
        self.assertEqual({Path(path).parts[2] for path, _ in shown}, {"node", "python", "php"})
        for path, code in shown:
            with self.subTest(path):
                self.assertIn(code, (ROOT / path).read_text())

    def test_they_are_started_as_they_say_themselves(self):
        examples = ROOT / "daemon" / "receivers"
        for example in ("node/examples/http.mjs", "python/examples/wsgi_app.py", "php/examples/front.php"):
            command = re.search(r"WEBHOOK_SECRET_FILE=.*", (examples / example).read_text()).group(0)
            self.assertIn(f"```sh\n{command}\n```", RECEIVERS)

    def test_the_signature_of_its_example_is_right(self):
        example = dict(re.findall(r"^(\w+)  +(.+)$", blocks("text", RECEIVERS)[0], re.M))
        signed = f"{example['id']}.{example['timestamp']}.{example['body']}".encode()
        key = base64.b64decode(example["secret"].removeprefix("whsec_"))
        mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        self.assertEqual(example["signature"], f"v1,{mac}")


class Reference(unittest.TestCase):
    def test_its_table_of_calls_is_the_openapi_document(self):
        described = json.loads((ROOT / "lib" / "api" / "openapi.json").read_text())["paths"]
        wanted = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods
                  if method in ("get", "post", "put", "patch", "delete")}
        self.assertEqual(set(re.findall(r"^\| `((?:GET|POST|PUT|PATCH|DELETE) \S+)` \|", REFERENCE, re.M)), wanted)

    def test_the_retry_schedule_is_the_one_of_the_configuration(self):
        configuration = (ROOT / "conf" / "prooftrackd.toml").read_text()
        schedule = re.findall(r'"(\w+)"', re.search(r"retry_schedule = \[(.*?)\]", configuration).group(1))
        self.assertIn(", ".join(f"`{one}`" for one in schedule) + " (`retry_schedule`", unwrapped(REFERENCE))

    def test_every_command_of_prooftrackctl_is_named(self):
        text = subprocess.run([program("prooftrackctl"), "--help"], capture_output=True, text=True, timeout=20).stdout
        commands = set(re.findall(r"^  ([a-z-]+)  ", text.split("Subcommands:")[1], re.M)) - {"help"}
        named = {word.split()[0] for word in re.findall(r"`([a-z][a-z -]*)`", REFERENCE.split("\n## prooftrackctl")[1])}
        self.assertEqual(commands - named, set())

    def test_its_states_are_those_of_the_openapi_document(self):
        openapi = (ROOT / "lib" / "api" / "openapi.json").read_text()
        states = re.findall(r"^\| `(\w+)` \|", REFERENCE.split("\n## States and events")[1], re.M)
        self.assertEqual(len(states), 7)
        for state in states:
            self.assertIn(f'"{state}"', openapi)


class Operations(unittest.TestCase):
    def test_exit_statuses_are_those_of_the_unit(self):
        unit = (ROOT / "systemd" / "prooftrackd.service").read_text()
        final = set(re.search(r"^RestartPreventExitStatus=(.*)$", unit, re.M).group(1).split())
        section = OPERATIONS.split("\n## Exit statuses")[1].split("\n## ")[0]
        rows = dict(re.findall(r"^\| (\d+) \| (.*?) \|", section, re.M))
        self.assertEqual(set(rows), final | {"0", "74", "75"})

    def test_the_log_events_that_it_names_are_in_the_manual(self):
        manual = (ROOT / "daemon" / "man" / "prooftrackd-events.7.scd").read_text()
        known = set(re.findall(r"^\*([a-z]+\.[a-z_]+)\* \(", manual, re.M))
        section = OPERATIONS.split("\n## Log")[1].split("\n## ")[0]
        named = set(re.findall(r"`((?:daemon|callback|store|config|proof|transaction)\.[a-z_]+)`", section))
        self.assertGreaterEqual(len(named), 10)
        self.assertEqual(named - known, set())


class Restoring(unittest.TestCase):
    TEXT = (DOCS / "restoring.md").read_text()

    def test_the_messages_and_the_document_agree(self):
        messages = (ROOT / "lib" / "store" / "start_errors.cpp").read_text()
        for name in (".damaged", "-wal", ".bak", "chmod 600", "prooftrackctl backup"):
            self.assertIn(name, messages)
            self.assertIn(name, self.TEXT)


if __name__ == "__main__":
    unittest.main()
