#!/usr/bin/env python3
"""tests/run shows what took longest, ends with ctest's own summary, and exits as ctest did. With stand-ins for cmake
and ctest."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

CMAKE = r"""#!/bin/bash
case $1 in
--preset) # a build before this run took long, which is no news
    mkdir -p ".build/$2"
    printf '# ninja log v5\n0\t999000\t1\told.o\taa\n' >".build/$2/.ninja_log"
    ;;
--build) for n in {1..12}; do printf '100\t%d100\t1\tnew_%02d.o\tbb\n' "$n" "$n" >>"$2/.ninja_log"; done ;;
esac
"""
CTEST = r"""#!/bin/bash
echo "Test project $PWD"
for n in {1..11}; do
    echo "        Start  $n: unit.test_$n"
    printf ' %2d/12 Test %3s: %s   Passed   %2d.50 sec\n' "$n" "#$n" "unit.test_$n ....." "$n"
done
echo "12/12 Test  #12: system.slow .....$VERDICT   99.25 sec"
echo
echo "$SUMMARY"
echo
echo "Total Test time (real) = 120.00 sec"
exit "$STATUS"
"""


class Run(unittest.TestCase):
    def run_with(self, summary, verdict, status):
        with tempfile.TemporaryDirectory(prefix="pt-", dir="/tmp") as folder:
            root, tools = Path(folder, "tree"), Path(folder, "bin")
            (root / "tests").mkdir(parents=True)
            tools.mkdir()
            shutil.copy(ROOT / "tests" / "run", root / "tests" / "run")
            for name, text in (("cmake", CMAKE), ("ctest", CTEST)):
                (tools / name).write_text(text)
                (tools / name).chmod(0o755)
            done = subprocess.run([root / "tests" / "run", "--no-install"], capture_output=True, text=True, timeout=60,
                                  env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "SUMMARY": summary,
                                       "VERDICT": verdict, "STATUS": str(status)})
        return done, done.stdout.splitlines()

    def test_what_took_longest_stands_before_the_summary(self):
        done, lines = self.run_with("100% tests passed, 0 tests failed out of 12", "   Passed", 0)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(lines[-3:], ["100% tests passed, 0 tests failed out of 12", "",
                                      "Total Test time (real) = 120.00 sec"])
        builds = lines[lines.index("== the ten slowest builds") + 1:][:10]
        self.assertEqual([line.split() for line in builds[:3]],
                         [["12.0", "s", "release:", "new_12.o"], ["12.0", "s", "asan:", "new_12.o"],
                                                                 ["11.0", "s", "release:", "new_11.o"]])
        self.assertNotIn("old.o", done.stdout)
        at = lines.index("== the ten slowest tests")
        self.assertEqual([line.split() for line in lines[at + 1:at + 3]],
                         [["99.25", "s", "system.slow"], ["11.50", "s", "unit.test_11"]])
        self.assertEqual(lines[at + 11], "")
        self.assertEqual(done.stdout.count("tests passed"), 1)

    def test_a_failure_is_passed_on(self):
        done, lines = self.run_with("92% tests passed, 1 tests failed out of 12", "***Failed", 8)
        self.assertEqual(done.returncode, 8)
        self.assertIn("92% tests passed, 1 tests failed out of 12", lines[-3:])
        self.assertIn("99.25 s  system.slow", done.stdout)


if __name__ == "__main__":
    unittest.main()
