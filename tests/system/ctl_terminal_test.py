#!/usr/bin/env python3
"""prooftrackctl on a terminal: `top`, and tables that fit."""

import os
import signal
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from ctl_case import ENV, ctl_case, terminal  # noqa: E402


class Top(ctl_case):
    def open(self, columns=80, rows=24):
        for number in range(30):
            self.daemon.track(f"t-{number}", status="processing")
            self.daemon.emit(f"t-{number}")
        return terminal(["--socket", self.socket, "top", "--interval", "100ms"], columns, rows)

    def test_draws_resizes_and_quits(self):
        screen = self.open()
        modes = screen.modes
        screen.read_until(b"newest events")
        first = screen.read_until(b"\x1b[?2026l")
        self.assertNotIn(b"\x1b[2J", first)  # no clearing between frames: no flicker
        self.daemon.emit("brand-new")
        screen.read_until(b"brand-new")
        screen.resize(160, 40)
        screen.read_until(b"log log-1")  # only shown when wide
        self.daemon.stop()
        screen.read_until(b"cannot connect")
        self.daemon.start()
        screen.read_until(b"q quits")
        screen.send(b"q")
        self.assertEqual(screen.wait(), 0)
        self.assertTrue(screen.text.rstrip().endswith(b"\x1b[?25h\x1b[?1049l"))
        del modes

    def test_restores_the_terminal_on_every_way_out(self):
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, "ctrl-c"):
            screen = self.open()
            screen.read_until(b"newest events")
            if how == "ctrl-c":
                screen.send(b"\x03")
            else:
                os.kill(screen.pid, how)
            self.assertEqual(screen.wait(), 0)
            self.assertIn(b"\x1b[?1049l", screen.text[-40:])

    def test_needs_a_terminal(self):
        _, err = self.run_ctl("top", expect=64)
        self.assertIn("terminal", err)
        self.daemon.stop()
        screen = terminal(["--socket", self.socket, "top"])
        self.assertEqual(screen.wait(), 69)
        self.assertNotIn(b"\x1b[?1049h", screen.text)


class Looks(ctl_case):
    def test_tables_fit_80_and_160_columns(self):
        for number in range(20):
            self.daemon.track(f"550e8400-e29b-41d4-a716-4466554400{number:02d}", status="processing", polls=123456,
                              consecutive_errors=3,
                              last_error="connect: Connection refused by the peer that would not listen")
            self.daemon.add_delivery(f"550e8400-e29b-41d4-a716-4466554400{number:02d}", "dead",
                                     last_error="a long reason " * 10)
            self.daemon.emit(f"550e8400-e29b-41d4-a716-4466554400{number:02d}")
        for columns in (80, 160):
            for command in ("list", "deliveries", "events", "status", "consumers"):
                screen = terminal(["--socket", self.socket, command], columns, env={**ENV, "NO_COLOR": "1"})
                self.assertEqual(screen.wait(), 0)
                for line in screen.text.decode().splitlines():
                    self.assertLessEqual(len(line), columns, line)
        self.assertNotIn(b"\x1b", screen.text)

    def test_colour_only_on_a_terminal_that_wants_it(self):
        self.daemon.track("t-1")
        screen = terminal(["--socket", self.socket, "list"])
        screen.wait()
        self.assertIn(b"\x1b[36m", screen.text)
        for env in ({**ENV, "NO_COLOR": "1"}, {**ENV, "TERM": "dumb"}):
            screen = terminal(["--socket", self.socket, "list"], env=env)
            screen.wait()
            self.assertNotIn(b"\x1b", screen.text)
        out, _ = self.run_ctl("list")
        self.assertNotIn("\x1b", out)


if __name__ == "__main__":
    unittest.main()
