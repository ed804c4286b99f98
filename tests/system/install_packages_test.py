#!/usr/bin/env python3
"""install_packages.sh asks for packages that the distribution has, and says in one sentence what stands in its way.

It runs with stand-ins for apt and dpkg that answer as those of Debian 12, Debian 13 and Ubuntu 24.04 do. What is built
without tests is configured without the tests' packages. """

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "support" / "install_packages.sh"
GROUPS = ("build", "demo", "test", "bench")
BOOST = ("libboost{}-dev", "libboost-json{}-dev", "libboost-url{}-dev")
OTHERS = """cmake ninja-build ccache clang g++ pkg-config libssl-dev libsqlite3-dev libfmt-dev libspdlog-dev prometheus-cpp-dev
libsystemd-dev libtomlplusplus-dev libcli11-dev libnghttp2-dev nghttp2-client curl ca-certificates nodejs npm chromium
fonts-dejavu-core libgtest-dev libgmock-dev librapidcheck-dev python3 python3-flask openssl php-cli php-sqlite3 sqlite3 iproute2
procps systemd spin git systemd-container debootstrap lintian dpkg-dev file scdoc nginx-light apache2-bin caddy
haproxy wrk golang-go libbenchmark-dev librabbitmq-dev libhiredis-dev redis-server rabbitmq-server libpq-dev
postgresql""".split()
LARAVEL = ["php-illuminate-routing", "php-illuminate-database", "php-illuminate-events"]  # in Debian 12 alone

# name: os-release, the Boosts whose packages it has, the Boosts that other packages only mention
SYSTEMS = {
    "Debian 12": ("ID=debian\nVERSION_ID=\"12\"\n", ("1.81",), ()),
    "Debian 13": ("ID=debian\nVERSION_ID=\"13\"\n", ("1.83", "1.88"), ("1.81",)),
    "Ubuntu 24.04": ("ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n", ("1.83",), ("1.81",)),
}
OLDEST_BOOST = {"Debian 12": "1.81", "Debian 13": "1.83", "Ubuntu 24.04": "1.83"}

APT_CACHE = r"""#!/bin/bash
verb=$1
shift
has() { grep -qxF -- "$1" "$STAND_IN/available"; }
mentioned() { grep -qxF -- "$1" "$STAND_IN/mentioned"; }
case $verb in
show) # as apt 3.0 of Debian 13: a package that is only mentioned is no error
    for name; do
        if has "$name"; then echo "Package: $name"; elif ! mentioned "$name"; then echo "E: No packages found" >&2; exit 100; fi
    done
    ;;
madison) for name; do if has "$name"; then echo " $name | 1.0-1 | http://mirror.example/debian stable/main amd64 Packages"; fi; done ;;
policy)
    for name; do
        if has "$name"; then
            printf '%s:\n  Installed: (none)\n  Candidate: 1.0-1\n  Version table:\n     1.0-1 500\n' "$name"
            printf '        500 http://mirror.example/debian stable/main amd64 Packages\n'
        elif mentioned "$name"; then
            printf '%s:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n' "$name"
        fi
    done
    ;;
pkgnames) sort -u "$STAND_IN/available" "$STAND_IN/mentioned" | grep -- "^$1" ;;
esac
"""
DPKG_QUERY = r"""#!/bin/bash
name=${!#}
if grep -qxF -- "$name" "$STAND_IN/installed"; then echo -n installed; exit 0; fi
echo "dpkg-query: no packages found matching $name" >&2
exit 1
"""
SYSTEMCTL = r"""#!/bin/bash
echo "$*" >>"$STAND_IN/systemctl.log"
"""
APT_GET = r"""#!/bin/bash
echo "$*" >>"$STAND_IN/apt-get.log"
failed="Failed to fetch http://mirror.example/debian/InRelease  Temporary failure resolving 'mirror.example'"
case " $* " in
*" update "*)
    if [[ -e $STAND_IN/offline ]]; then
        for _ in {1..20}; do echo "Err:1 http://mirror.example/debian stable InRelease"; done
        echo "W: $failed" >&2
        echo "W: Some index files failed to download. They have been ignored, or old ones used instead." >&2
    else
        cat "$STAND_IN/mirror" >>"$STAND_IN/available"
    fi
    ;;
*" install "*)
    if [[ -e $STAND_IN/offline ]]; then
        for _ in {1..20}; do echo "Err:1 http://mirror.example/debian stable/main amd64 something 1.0-1"; done
        echo "E: $failed" >&2
        echo "E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?" >&2
        exit 100
    fi
    ;;
esac
"""


class StandIns:
    """A PATH with the stand-ins and the few tools that the script calls."""

    def __init__(self, folder, system):
        self.folder = folder
        self.path = folder / "bin"
        self.path.mkdir()
        for name, text in (("apt-cache", APT_CACHE), ("dpkg-query", DPKG_QUERY), ("apt-get", APT_GET),
                           ("systemctl", SYSTEMCTL),
                           ("sudo", "#!/bin/bash\nexec \"$@\"\n")):
            (self.path / name).write_text(text)
            (self.path / name).chmod(0o755)
        for tool in ("bash", "env", "awk", "sed", "sort", "tr", "grep", "cat", "tee", "tail", "head", "mktemp", "rm",
                     "dirname", "mkdir"):
            (self.path / tool).symlink_to(shutil.which(tool))
        os_release, boosts, mentioned = SYSTEMS[system]
        names = [pattern.format(boost) for boost in boosts for pattern in BOOST] + OTHERS
        if system == "Debian 12":
            names += LARAVEL
        self.write("available", names)
        self.write("mirror", [])
        self.write("mentioned", [pattern.format(boost) for boost in mentioned for pattern in BOOST])
        self.write("installed", [])
        self.write("os-release", os_release.splitlines())
        # Under a folder that everybody may enter, since some of it runs as nobody.
        self.script = folder / "tests" / "support" / SCRIPT.name
        self.script.parent.mkdir(parents=True)
        shutil.copy(SCRIPT, self.script)

    def write(self, name, lines):
        (self.folder / name).write_text("".join(f"{line}\n" for line in lines))

    def lines(self, name):
        path = self.folder / name
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def run(self, *arguments, **options):
        environment = {"PATH": str(self.path), "STAND_IN": str(self.folder),
                       "PROOFTRACK_OS_RELEASE": str(self.folder / "os-release"),
                       "PROOFTRACK_SYSTEMD": str(self.folder / "systemd"), "TMPDIR": "/tmp"}
        return subprocess.run(["bash", self.script, *arguments], capture_output=True, text=True, timeout=60,
                              env=environment, **options)


class InstallPackages(unittest.TestCase):
    def stand_ins(self, system):
        folder = tempfile.TemporaryDirectory(prefix="pt-", dir="/tmp")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        return StandIns(Path(folder.name), system)

    def missing(self, stand_ins, *groups):
        done = stand_ins.run("--list", *groups)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def test_everything_that_is_asked_for_is_there(self):
        for system in SYSTEMS:
            with self.subTest(system):
                stand_ins = self.stand_ins(system)
                wanted = self.missing(stand_ins, *GROUPS)
                self.assertEqual([name for name in wanted if name not in stand_ins.lines("available")], [])
                boost = OLDEST_BOOST[system]
                self.assertEqual([name for name in wanted if "boost" in name],
                                 [pattern.format(boost) for pattern in BOOST])
                self.assertEqual("chromium" in wanted, system.startswith("Debian"))
                self.assertEqual([name for name in wanted if name in LARAVEL],
                                 LARAVEL if system == "Debian 12" else [])
                self.assertLess({"cmake", "libgtest-dev", "libbenchmark-dev", "curl"}, set(wanted))
                self.assertIn("nginx-light", self.missing(stand_ins, "test"))

    def test_an_nginx_that_is_there_is_good_and_stays_as_it_is(self):
        stand_ins = self.stand_ins("Debian 12")
        (stand_ins.folder / "systemd").mkdir()
        stand_ins.write("installed", [name for name in stand_ins.lines("available") if name != "nginx-light"] +
                        ["nginx"])
        self.assertEqual(self.missing(stand_ins, "test"), [])
        self.assertEqual(stand_ins.run("bench").returncode, 0)
        self.assertEqual(stand_ins.lines("systemctl.log"), [])

    def test_the_server_of_a_new_nginx_is_not_left_running(self):
        for is_running in (True, False):
            with self.subTest(systemd=is_running):
                stand_ins = self.stand_ins("Debian 12")
                if is_running:
                    (stand_ins.folder / "systemd").mkdir()
                stand_ins.write("installed", [name for name in stand_ins.lines("available") if name != "nginx-light"])
                self.assertEqual(stand_ins.run("bench").returncode, 0)
                self.assertEqual(stand_ins.lines("systemctl.log"),
                                 ["--quiet disable --now nginx"] if is_running else [])

    def test_no_server_that_the_tests_need_is_left_running(self):
        stand_ins = self.stand_ins("Debian 12")
        (stand_ins.folder / "systemd").mkdir()
        new = ("nginx-light", "caddy", "haproxy", "apache2-bin", "redis-server", "rabbitmq-server",
               "postgresql")
        stand_ins.write("installed", [name for name in stand_ins.lines("available") if name not in new])
        self.assertEqual(stand_ins.run("test").returncode, 0)
        self.assertEqual(stand_ins.lines("systemctl.log"),
                         ["--quiet disable --now nginx caddy haproxy redis-server rabbitmq-server postgresql"])

    def test_the_tests_group_has_all_that_builds_them(self):
        for system in SYSTEMS:
            with self.subTest(system):
                stand_ins = self.stand_ins(system)
                units = self.missing(stand_ins, "unit")
                self.assertIn("libgtest-dev", units)
                self.assertLessEqual(set(units), set(self.missing(stand_ins, "test")))

    def test_an_installed_boost_stays(self):
        stand_ins = self.stand_ins("Debian 13")
        stand_ins.write("installed", ["libboost1.88-dev", "cmake"])
        wanted = self.missing(stand_ins, "build")
        self.assertEqual([name for name in wanted if "boost" in name],
                         ["libboost-json1.88-dev", "libboost-url1.88-dev"])
        self.assertNotIn("cmake", wanted)

    def test_what_is_missing_is_installed_in_one_go(self):
        stand_ins = self.stand_ins("Debian 13")
        done = stand_ins.run("build", "demo")
        self.assertEqual(done.returncode, 0, done.stderr)
        calls = stand_ins.lines("apt-get.log")
        self.assertEqual(["--download-only" in call for call in calls], [True, False], calls)
        self.assertIn(" libboost-json1.83-dev ", calls[1])

    def test_absent_lists_are_fetched_first(self):
        stand_ins = self.stand_ins("Debian 13")
        stand_ins.write("mirror", stand_ins.lines("available"))
        stand_ins.write("available", [])
        done = stand_ins.run("build")
        self.assertEqual(done.returncode, 0, done.stderr)
        calls = stand_ins.lines("apt-get.log")
        self.assertIn(" update", calls[0])
        self.assertIn(" libboost-json1.83-dev ", calls[-1])

    def test_offline_takes_one_sentence(self):
        for lists in ("there", "absent"):
            with self.subTest(lists=lists):
                stand_ins = self.stand_ins("Debian 12")
                if lists == "absent":
                    stand_ins.write("available", [])
                stand_ins.write("offline", [])
                done = stand_ins.run("build")
                self.assertEqual(done.returncode, 69, done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertIn("(Temporary failure resolving 'mirror.example')", done.stderr)
                self.assertNotIn("Err:", done.stdout)

    def test_nothing_missing_needs_no_network(self):
        stand_ins = self.stand_ins("Debian 12")
        stand_ins.write("installed", stand_ins.lines("available"))
        stand_ins.write("available", [])
        stand_ins.write("offline", [])
        done = stand_ins.run("build", "demo", "bench")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(stand_ins.lines("apt-get.log"), [])

    def test_a_package_that_the_system_does_not_have_is_named(self):
        stand_ins = self.stand_ins("Ubuntu 24.04")
        stand_ins.write("available", [name for name in stand_ins.lines("available")
                                      if name not in ("libcli11-dev", "prometheus-cpp-dev")])
        done = stand_ins.run("build")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("do not have prometheus-cpp-dev libcli11-dev", done.stderr)

    @unittest.skipIf(os.geteuid() != 0, "not root")
    def test_root_needs_no_sudo_and_others_do(self):
        stand_ins = self.stand_ins("Debian 12")
        (stand_ins.path / "sudo").unlink()
        self.assertEqual(stand_ins.run("demo").returncode, 0)
        calls = len(stand_ins.lines("apt-get.log"))
        done = stand_ins.run("demo", user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "install_packages.sh: packages are missing, and neither root nor sudo to "
                                      "install them: curl ca-certificates\n")
        self.assertEqual(len(stand_ins.lines("apt-get.log")), calls)

    def test_an_unknown_group_is_refused(self):
        self.assertEqual(self.stand_ins("Debian 12").run("buidl").returncode, 64)


class WithoutTheTestsPackages(unittest.TestCase):
    """The demo and the benchmarks are configured as their scripts do it, on a machine without GoogleTest and
    rapidcheck."""

    def configure(self, script):
        command = re.search(r"^ *(cmake --preset [^>\n]*)", (ROOT / script).read_text(), re.M).group(1)
        with tempfile.TemporaryDirectory(prefix="pt-", dir="/tmp") as folder:
            # A second -B, behind the script's, is the one that counts. The benchmarks' own packages are not the tests'.
            done = subprocess.run([*shlex.split(command), "-B", folder, "-DPROOFTRACK_BENCH=OFF",
                                   "-DCMAKE_DISABLE_FIND_PACKAGE_GTest=ON",
                                   "-DCMAKE_DISABLE_FIND_PACKAGE_rapidcheck=ON"], cwd=ROOT, capture_output=True,
                                  text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            return command

    def test_the_demo(self):
        self.configure("daemon/demo")

    def test_the_benchmarks(self):
        self.configure("tests/bench/run")


if __name__ == "__main__":
    unittest.main()
