"""A small Debian with a real systemd, in a container without a network but its own loopback; all of it is gone with
the test.

The root is made once by debootstrap and kept under .build/nspawn; a machine runs on a writable layer above it, in
memory. """

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".build" / "nspawn"


def os_release():
    return dict(line.rstrip().replace('"', "").split("=", 1)
                for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)


def why_not():
    """Why a machine cannot run here, or None."""
    if os.geteuid() != 0:
        return "not root"
    if os_release().get("ID") != "debian":
        return "not Debian: the package would need other libraries"
    missing = [name for name in ("systemd-nspawn", "debootstrap", "nsenter") if not shutil.which(name)]
    return f"{', '.join(missing)} is not installed" if missing else None


def make_root(packages):
    """The folder of a bare root with these packages; from the cache if the last one had the same."""
    suite = os_release()["VERSION_CODENAME"]
    wanted = json.dumps([suite, sorted(packages)])
    base, stamp = CACHE / "base", CACHE / "base.packages"
    if base.is_dir() and stamp.is_file() and stamp.read_text() == wanted:
        return base
    CACHE.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    shutil.rmtree(base, ignore_errors=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with open(CACHE / "base.log", "w") as log:
        for command in (["debootstrap", "--variant=minbase", suite, base],
                        ["chroot", base, "apt-get", "install", "-q", "-y", "--no-install-recommends", *packages],
                        ["chroot", base, "apt-get", "clean"]):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                                  timeout=420)
            if done.returncode != 0:
                raise unittest.SkipTest(f"no root: {shlex.join(map(str, command[:3]))} failed, see {log.name}")
    stamp.write_text(wanted)
    return base


class Machine:
    def __init__(self, base, binds):
        self.nspawn = self.leader = None
        self.log = CACHE / "console.log"
        arguments = ["systemd-nspawn", "-q", "--register=no", "--keep-unit", "--link-journal=no", "--private-network",
                     "--volatile=overlay",
                     "--console=pipe", "-D", str(base), "-b",
                     *(f"--bind-ro={outside}:{inside}" for outside, inside in binds.items())]
        with open(self.log, "w") as log:
            self.nspawn = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.wait_until_running()
        except BaseException:
            self.stop()
            raise

    def wait_until_running(self):
        until = time.monotonic() + 60
        state = "no PID 1"
        while time.monotonic() < until:
            if self.nspawn.poll() is not None:
                raise unittest.SkipTest(f"systemd-nspawn cannot run here: {self.log.read_text()[-500:]}")
            self.leader = self.leader or self.find_leader()
            if self.leader:
                done = self.enter(["systemctl", "is-system-running"])
                state = (done.stdout + done.stderr).strip()
                if state == "running":
                    return
            time.sleep(0.1)
        raise AssertionError(f"the machine does not run: {state}\n{self.log.read_text()[-3000:]}")

    def find_leader(self):
        children = Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
        return next((int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd"), None)

    def enter(self, command, timeout=60):
        return subprocess.run(["nsenter", "-t", str(self.leader), "-a", *command], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True,
                              timeout=timeout, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                                                    "DEBIAN_FRONTEND": "noninteractive"})

    def run(self, line, user=None, expect=0, quiet=False, timeout=60):
        """A line for the shell, as root or as `user`; it and what it says are printed. `expect`: its exit status, None
        = any."""
        command = ["sh", "-c", line]
        done = self.enter(["runuser", "-u", user, "--", *command] if user else command, timeout)
        said = (done.stdout + done.stderr).strip()
        if not quiet:
            print(f"{user or 'root'}$ {line}\n" + "".join(f"    {one[:200]}\n" for one in said.splitlines()[:12])
                  + (f"    (exit {done.returncode})\n" if done.returncode else ""), end="", flush=True)
        if expect is not None and done.returncode != expect:
            raise AssertionError(f"{line}: exit {done.returncode}, expected {expect}\n{said[-3000:]}")
        return said

    def path(self, inside):
        """A path of the machine, seen from outside."""
        return Path(f"/proc/{self.leader}/root{inside}")

    def write(self, inside, text, mode=0o644):
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def copy(self, outside, inside):
        shutil.copy(outside, self.path(inside))

    def unit(self, name, what):
        return self.run(f"systemctl show -P {what} {name}", quiet=True)

    def journal(self, *matches):
        """The journal's entries, each as a dict."""
        self.run("journalctl --sync", quiet=True)
        lines = self.enter(["journalctl", "-o", "json", "--no-pager", "-u", "prooftrackd.service",
                            *matches]).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def stop(self):
        if self.nspawn.poll() is None and self.leader:
            os.kill(self.leader, signal.SIGKILL)  # PID 1: with it goes all that is inside
        try:
            self.nspawn.wait(20)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait(10)
