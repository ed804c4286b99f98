#!/usr/bin/env python3
"""The man pages and the completions name every command, option, configuration key, event and log line that the
programs know."""

import functools
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MAN = ROOT / "daemon" / "man"
COMPLETIONS = ROOT / "daemon" / "prooftrackctl" / "completions"


def find_program(name):
    build = Path(os.environ.get("PROOFTRACK_BIN", "."))
    for folder in (build, build / "daemon"):
        if (folder / name).is_file():
            return str(folder / name)
    return None


CTL = find_program("prooftrackctl")
DAEMON = find_program("prooftrackd")


def page(name):
    return (MAN / name).read_text()


def help_of(program, *command):
    return subprocess.run([program, *command, "--help"], capture_output=True, text=True, check=True, timeout=10).stdout


def options_in(text):
    """Those at the beginning of a line of CLI11's help: `  -h,--help   Show`."""
    return set(re.findall(r"^  (?:-\w,)?(--[a-z][a-z-]*)", text, re.M))


def commands_in(text):
    return re.findall(r"^  ([a-z][a-z-]*)  +", text.split("Subcommands:")[1], re.M) if "Subcommands:" in text else []


@functools.cache
def all_commands():
    found = {(): help_of(CTL)}
    for command in commands_in(found[()]):
        found[(command,)] = help_of(CTL, command)
        for sub in commands_in(found[(command,)]):
            found[(command, sub)] = help_of(CTL, command, sub)
    return found


def names_in_cpp(path, pattern):
    return re.findall(pattern, (ROOT / path).read_text(), re.S)


@unittest.skipUnless(CTL, "prooftrackctl is not built")
class CommandLine(unittest.TestCase):
    def test_the_help_is_understood(self):
        commands = all_commands()
        self.assertGreaterEqual(len(commands), 25)
        self.assertIn("--metadata", options_in(commands[("track",)]))

    def test_every_command_and_option_is_in_the_man_page(self):
        text = page("prooftrackctl.1.scd")
        for command, shown in all_commands().items():
            if command and "SUBCOMMAND" not in shown.split("\n\n")[0]:
                self.assertRegex(text, r"(?m)^\*" + " ".join(command) + r"\*", command)
            for option in options_in(shown):
                self.assertIn(f"*{option}*", text, command)

    def test_the_man_page_names_no_option_that_is_not_there(self):
        known = set().union(*(options_in(shown) for shown in all_commands().values()))
        self.assertEqual(set(re.findall(r"\*(--[a-z][a-z-]*)\*", page("prooftrackctl.1.scd"))) - known, set())

    def test_every_command_and_option_is_in_the_completions(self):
        for name in ("prooftrackctl.bash", "_prooftrackctl", "prooftrackctl.fish"):
            text = (COMPLETIONS / name).read_text()
            words = set(re.findall(r"[a-z][a-z-]*", text))
            for command, shown in all_commands().items():
                for word in command:
                    self.assertIn(word, words, name)
                for option in options_in(shown):
                    spelled = f"-l {option[2:]}" if name.endswith(".fish") else option
                    self.assertIn(spelled, text, f"{name}: {command}")

    def test_every_exit_status_is_in_the_man_page(self):
        text = page("prooftrackctl.1.scd")
        for number in names_in_cpp("daemon/prooftrackctl/exit_status.hpp", r"constexpr int \w+ = (\d+);"):
            self.assertIn(f"*{number}*\n", text)


class Completions(unittest.TestCase):
    def complete_in_bash(self, line, environment=(), begun=""):
        script = f"""source '{COMPLETIONS}/prooftrackctl.bash'
            COMP_WORDS=({line} '{begun}'); [[ '{line}' == *[![:space:]] ]] || :
            COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); compopt() {{ :; }}; _prooftrackctl; printf '%s\\n' "${{COMPREPLY[@]}}\""""
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=10,
                              env={**os.environ, **dict(environment)})
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_offers_what_fits(self):
        self.assertIn("track", self.complete_in_bash("prooftrackctl"))
        self.assertIn("track", self.complete_in_bash("prooftrackctl --socket /tmp/x"))
        self.assertIn("--wait", self.complete_in_bash("prooftrackctl track"))
        self.assertNotIn("--wait", self.complete_in_bash("prooftrackctl list"))
        self.assertIn("overdue", self.complete_in_bash("prooftrackctl list --state"))
        self.assertEqual(self.complete_in_bash("prooftrackctl deliveries --state"),
                         ["pending", "delivered", "dead", "dismissed"])
        self.assertIn("ack", self.complete_in_bash("prooftrackctl consumers"))
        self.assertIn("listen", self.complete_in_bash("prooftrackctl help"))

    def test_bash_offers_the_callbacks_of_the_daemon(self):
        with tempfile.TemporaryDirectory() as folder:
            ctl = Path(folder, "prooftrackctl")
            ctl.write_text("""#!/bin/sh
                [ "$1 $2" = "--socket /tmp/x" ] && shift 2
                [ "$*" = "--json status" ] || exit 64
                echo '{"proof":{"health":"ok"},"callbacks":[{"name":"backend","state":"ok"},{"name":"ledger","state":"failing"}],"consumers":[{"name":"shop","seq":1}]}'
                """)
            ctl.chmod(0o755)
            path = {"PATH": f"{folder}:{os.environ['PATH']}"}
            for line in ("deliveries --callback", "redeliver --dead --callback", "callback test", "pause", "resume",
                         "--socket /tmp/x callback test"):
                self.assertEqual(self.complete_in_bash(f"prooftrackctl {line}", path)[:2], ["backend", "ledger"], line)
            ctl.write_text("#!/bin/sh\nexit 69\n")
            self.assertEqual(self.complete_in_bash("prooftrackctl deliveries --callback", path), [],
                             "no daemon, no names")

    def test_bash_offers_the_ids_and_consumers_of_the_daemon(self):
        with tempfile.TemporaryDirectory() as folder:
            ctl = Path(folder, "prooftrackctl")
            ctl.write_text("""#!/bin/sh
                [ "$1 $2" = "--socket /tmp/x" ] && shift 2
                case $* in
                    "--json list --limit 100") echo '{"merchant_transaction_id":"b-2","proof":{"merchant_transaction_id":"x"}}'
                        echo '{"merchant_transaction_id":"a-1","proof":null}' ;;
                    "--json list --limit 100 --id-prefix a-") echo '{"merchant_transaction_id":"a-9","proof":null}' ;;
                    "--json consumers") echo '{"name":"books","seq":1}' ;;
                    *) exit 64 ;;
                esac
                """)
            ctl.chmod(0o755)
            path = {"PATH": f"{folder}:{os.environ['PATH']}"}
            for line in ("get", "wait", "redeliver", "--socket /tmp/x explain", "deliveries --transaction"):
                self.assertEqual(self.complete_in_bash(f"prooftrackctl {line}", path)[:2], ["b-2", "a-1"], line)
            self.assertNotIn("b-2", self.complete_in_bash("prooftrackctl get b-2", path), "one id is all it takes")
            for line in ("get", "deliveries --transaction"):
                self.assertEqual(self.complete_in_bash(f"prooftrackctl {line}", path, "a-")[:2], ["a-9"], line)
            for line in ("consumers ack", "consumers remove"):
                self.assertEqual(self.complete_in_bash(f"prooftrackctl {line}", path)[0], "books", line)
            self.assertNotIn("books", self.complete_in_bash("prooftrackctl consumers add", path), "a new name")
            ctl.write_text("#!/bin/sh\nexit 69\n")
            self.assertEqual(self.complete_in_bash("prooftrackctl deliveries --transaction", path), [],
                             "no daemon, no ids")

    def test_the_shells_take_them(self):
        for shell, name in (("bash", "prooftrackctl.bash"), ("zsh", "_prooftrackctl"), ("fish", "prooftrackctl.fish")):
            if not shutil.which(shell):
                continue
            done = subprocess.run([shell, "-n", str(COMPLETIONS / name)], capture_output=True, text=True, timeout=20)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)

    @unittest.skipUnless(shutil.which("fish"), "fish is not here")
    def test_fish_offers_what_fits(self):
        with tempfile.TemporaryDirectory() as home:
            script = f"source '{COMPLETIONS}/prooftrackctl.fish'; complete -C 'prooftrackctl list --state '"
            done = subprocess.run(["fish", "-N", "-c", script], capture_output=True, text=True, timeout=20,
                                  env={**os.environ, "HOME": home})
        self.assertIn("overdue", done.stdout, done.stderr)


class Pages(unittest.TestCase):
    @unittest.skipUnless(shutil.which("scdoc"), "scdoc is not here")
    def test_they_render(self):
        for path in MAN.glob("*.scd"):
            done = subprocess.run(["scdoc"], input=path.read_bytes(), capture_output=True, timeout=10)
            self.assertEqual((done.returncode, done.stderr), (0, b""), path.name)

    def test_the_four_are_there(self):
        self.assertEqual({path.name for path in MAN.glob("*.scd")},
                         {"prooftrackd.8.scd", "prooftrackctl.1.scd", "prooftrackd.toml.5.scd",
                          "prooftrackd-events.7.scd"})

    def test_every_configuration_key(self):
        text = page("prooftrackd.toml.5.scd")
        parts = re.split(r"(?m)^# (TOP LEVEL|\[.*\])$", text)
        sections = {heading.strip("[]").replace("TOP LEVEL", ""): body
                    for heading, body in zip(parts[1::2], parts[2::2])}
        keys = names_in_cpp("lib/config/key_table.cpp", r'\.table = "(\w*)",\s*\.name = "(\w+)"')
        self.assertGreaterEqual(len(keys), 40)
        for table, name in keys:
            self.assertRegex(sections[table], rf"(?m)^\*{name}\*", f"{table}.{name}")
        for table, body in sections.items():
            for name in re.findall(r"(?m)^\*(\w+)\*(?: = .*)?$", body.split("\n# ")[0]):
                self.assertIn((table, name), keys)

    def test_the_defaults_are_those_of_the_reference(self):
        import tomllib

        text = page("prooftrackd.toml.5.scd")
        reference = (ROOT / "conf" / "prooftrackd.toml").read_text()
        callback = re.search(r"(?s)#\[\[callback\]\]  +# a webhook\n(.*?)\n\n", reference)[1]
        tables = tomllib.loads(reference + "\n[callback]\n" + re.sub(r"(?m)^#", "", callback))
        parts = re.split(r"(?m)^# (TOP LEVEL|\[.*\])$", text)
        checked = 0
        for heading, body in zip(parts[1::2], parts[2::2]):
            values = tables if heading == "TOP LEVEL" else tables[heading.strip("[]")]
            for name, default in re.findall(r"(?m)^\*(\w+)\* = (.*)$", body.split("\n# ")[0]):
                if (heading.strip("[]"), name) == ("callback", "secret_file"):
                    continue  # the reference shows an example there
                written = tomllib.loads(f"x = {default}".replace("\\*", "*"))["x"]
                same = {written, values[name]} == {"24h", "1d"} if isinstance(written, str) else False
                self.assertTrue(written == values[name] or same, f"{heading} {name}: {written} and {values[name]}")
                checked += 1
        self.assertGreater(checked, 30)

    def test_every_event_and_log_line(self):
        text = page("prooftrackd-events.7.scd")
        types = [name for source in ("lib/base/event_names.hpp", "lib/track/event.cpp")
                 for name in names_in_cpp(source, r'"((?:transaction|callback)\.[a-z_]+)"')]
        self.assertEqual(len(set(types)), 10)
        for name in types:
            self.assertRegex(text, rf"(?m)^\*{re.escape(name)}\*$", name)
        lines = names_in_cpp("lib/observe/event_table.cpp", r'log_event_info\{\s*id::\w+,\s*"([^"]+)",\s*level::(\w+)')
        self.assertGreater(len(lines), 40)
        for name, level in lines:
            self.assertRegex(text, rf"(?m)^\*{re.escape(name)}\* \({level}\)$")
        for name in re.findall(r"(?m)^\*([a-z]+\.[a-z_]+)\* \(\w+\)$", text):
            self.assertIn(name, [known for known, _ in lines])

    def test_the_environment_of_commands(self):
        text = page("prooftrackd-events.7.scd")
        for name in ("EVENT_ID", "EVENT_TYPE", "MERCHANT_TRANSACTION_ID", "STATE", "STATUS", "ATTEMPT"):
            self.assertIn(f"*PROOFTRACK_{name}*", text)

    @unittest.skipUnless(DAEMON, "prooftrackd is not built")
    def test_every_option_and_exit_status_of_the_daemon(self):
        text = page("prooftrackd.8.scd")
        for option in options_in(help_of(DAEMON)):
            self.assertIn(f"*{option}*", text)
        for number in (0, 64, 65, 74, 75, 78):
            self.assertIn(f"*{number}*\n", text)


if __name__ == "__main__":
    unittest.main()
