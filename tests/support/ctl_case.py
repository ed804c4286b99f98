"""What the tests of prooftrackctl share: the program against a fake daemon, in pipes or on a pty."""

import errno
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest
from pathlib import Path

from fake_daemon import fake_daemon


def find_program():
    root = Path(os.environ.get("PROOFTRACK_BIN", "."))
    for folder in (root, root / "daemon"):
        if (folder / "prooftrackctl").is_file():
            return str(folder / "prooftrackctl")
    raise SystemExit("prooftrackctl not found: set PROOFTRACK_BIN to the build folder")


CTL = find_program()
ENV = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "NO_COLOR": ""}
ENV.pop("PROOFTRACKD_SOCKET", None)


class terminal:
    """The program on a pty of a given size; collects what it writes."""

    def __init__(self, arguments, columns=80, rows=24, env=None):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvpe(CTL, [CTL, *arguments], env or ENV)
        self.text = b""
        self.resize(columns, rows)
        self.modes = termios.tcgetattr(self.master)

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, wanted, timeout=10):
        until = time.monotonic() + timeout
        start = len(self.text)
        while wanted not in self.text[start:]:
            ready, _, _ = select.select([self.master], [], [], max(0, until - time.monotonic()))
            if not ready:
                raise AssertionError(f"{wanted!r} never came; got {self.text[start:]!r}")
            try:
                piece = os.read(self.master, 65536)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                piece = b""
            if not piece:
                raise AssertionError(f"ended before {wanted!r}; got {self.text[start:]!r}")
            self.text += piece
        return self.text[start:]

    def send(self, keys):
        os.write(self.master, keys)

    def wait(self, timeout=10):
        """Exit status; reads what is left."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            try:
                ready, _, _ = select.select([self.master], [], [], 0.05)
                if ready:
                    self.text += os.read(self.master, 65536)
            except OSError:
                pass
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                os.close(self.master)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"did not end; wrote {self.text!r}")


class ctl_case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.socket = str(self.folder / "d.sock")
        self.daemon = fake_daemon(self.socket)
        self.daemon.start()
        self.addCleanup(self.daemon.stop)

    def run_ctl(self, *arguments, stdin=None, expect=0, env=None, timeout=30):
        done = subprocess.run([CTL, "--socket", self.socket, *arguments], input=stdin, capture_output=True,
                              timeout=timeout, env=env or ENV)
        if expect is not None:
            self.assertEqual(done.returncode, expect, f"{arguments}: {done.stdout!r} {done.stderr!r}")
        return done.stdout.decode(), done.stderr.decode()

    def spawn(self, *arguments):
        process = subprocess.Popen([CTL, "--socket", self.socket, *arguments], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=ENV)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()

        self.addCleanup(end)
        return process
