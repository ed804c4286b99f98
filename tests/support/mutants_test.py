#!/usr/bin/env python3
"""The mutation test's finder on a small source: what it changes, and that each change does what it says."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import mutant_finder

SOURCE = """#include <algorithm>
namespace prooftrack {
constexpr int most = 0x10;
static_assert(most > 3);
constexpr int step = 2;
inline int count(int a, bool is_on) {
    if (a < most && !is_on) return a + 1; // a < b in a comment, and "a < b"
    int b = std::min(a, 7);
    for (int i : {5, 6}) b += i;
    switch (b) { case 3: b = 4; }
    if (is_on && b > 7 && a > 5) { b = -b; }
    return b + step;
}
}
"""
PRINT = 'for (int a : {1, 7, 9, 15, 16, 30}) std::printf("%d %d ", SPACE::count(a, false), SPACE::count(a, true));\n'
EXPECTED = """constexpr int most = 17;
constexpr int step = 3;
return b - step;
if (a <= most && !is_on) return a + 1; // a < b in a comment, and "a < b"
if (a >= most && !is_on) return a + 1; // a < b in a comment, and "a < b"
if ((a < most || !is_on)) return a + 1; // a < b in a comment, and "a < b"
if (a < most && is_on) return a + 1; // a < b in a comment, and "a < b"
if (!(a < most && !is_on)) return a + 1; // a < b in a comment, and "a < b"
if (a < most && !is_on) return a - 1; // a < b in a comment, and "a < b"
if (a < most && !is_on) return a + 2; // a < b in a comment, and "a < b"
int b = std::max(a, 7);
int b = std::min(a, 8);
for (int i : {5, 6}) b -= i;
for (int i : {5, 6}) ;
switch (b) { case 3: ; }
switch (b) { case 3: b = 5; }
if (!(is_on && b > 7 && a > 5)) { b = -b; }
if ((is_on && b > 7 || a > 5)) { b = -b; }
if ((is_on || b > 7) && a > 5) { b = -b; }
if (is_on && b >= 7 && a > 5) { b = -b; }
if (is_on && b <= 7 && a > 5) { b = -b; }
if (is_on && b > 8 && a > 5) { b = -b; }
if (is_on && b > 7 && a >= 5) { b = -b; }
if (is_on && b > 7 && a <= 5) { b = -b; }
if (is_on && b > 7 && a > 6) { b = -b; }
if (is_on && b > 7 && a > 5) { ; }"""


@unittest.skipUnless(shutil.which("clang++"), "needs clang++")
class Mutants(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "source.hpp").write_text(SOURCE)
        dump = self.clang("-fsyntax-only", "-Xclang", "-ast-dump=json", "-Xclang", "-ast-dump-filter=prooftrack",
                          "source.hpp")
        self.finder = mutant_finder.Finder("source.hpp", SOURCE)
        for tree in mutant_finder.parse_trees(dump):
            self.finder.find(tree)
        self.mutants = mutant_finder.mutants_of(self.finder)

    def clang(self, *arguments):
        done = subprocess.run(["clang++", "-std=c++20", "-w", *arguments], cwd=self.folder, capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_finds_what_can_be_changed_and_nothing_else(self):
        self.assertEqual(sorted(mutant.after for mutant in self.mutants), sorted(EXPECTED.splitlines()))
        self.assertEqual(len({mutant.key for mutant in self.mutants}), len(self.mutants))
        self.assertEqual({mutant.line for mutant in self.mutants}, {3, 5, 7, 8, 9, 10, 11, 12})

    def test_a_number_chooses_the_change_that_its_text_shows(self):
        # The constant of a static_assert cannot be chosen at run time: mutants.py learns that from the compiler.
        chosen = [mutant for mutant in self.mutants if mutant.line != 3]
        for number, mutant in enumerate(chosen, 1):
            mutant.number = number
        (self.folder / "prooftrack_mutant.hpp").write_text(mutant_finder.HEADER)
        (self.folder / "source.hpp").write_text(mutant_finder.instrument(self.finder, "prooftrack_mutant.hpp"))
        # Each change made by hand, in a namespace of its own.
        lines = SOURCE.splitlines()
        spaces = []
        for mutant in [None, *chosen]:
            text = "\n".join(mutant.after if mutant and at == mutant.line else line for at, line in enumerate(lines, 1))
            spaces.append(text.replace("namespace prooftrack", f"namespace plain_{len(spaces)}"))
        prints = "".join(PRINT.replace("SPACE", f"plain_{at}") + 'std::puts("");\n' for at in range(len(spaces)))
        (self.folder / "main.cpp").write_text(
            '#include <cstdio>\n#include "source.hpp"\n' + "\n".join(spaces) +
            "\nint main(int count, char**) {\nif (count == 1) {\n" + prints + "} else {\n" +
            PRINT.replace("SPACE", "prooftrack") + "}}\n")
        self.clang("main.cpp", "-o", "main")
        by_hand = self.output().splitlines()
        self.assertGreater(len(set(by_hand)), 12, "the changes change something")
        for number, expected in enumerate(by_hand):
            self.assertEqual(self.output("chosen", mutant=number), expected, str(chosen[number - 1]))

    def output(self, *arguments, mutant=0):
        return subprocess.run([self.folder / "main", *arguments], env=dict(os.environ, PROOFTRACK_MUTANT=str(mutant)),
                              capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    unittest.main()
