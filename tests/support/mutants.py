#!/usr/bin/env python3
"""Mutation test of lib/track: changes one operator, constant or statement at a time and sees whether a test notices.

All mutants (see mutant_finder.py for what is changed) are compiled into one build, and PROOFTRACK_MUTANT=N chooses one
at run time: one compilation instead of hundreds. The build lies in .build/mutants with a copy of the sources; the
working tree stays as it is. A mutant is killed when a test of test_track fails with it, or one of the simulation's
seeds; whoever needs far more time or memory than without it is killed as well. Tests that do not reach a mutant are not
run for it. A mutant that does not compile is not drawn.

Mutated are the .cpp files of lib/track and what its headers define: inline functions and constants. Not mutated are
`check_invariants`, which is itself a test, types.hpp and event.hpp, whose constants are for other modules, and what
stands in mutants_equivalent.txt: changes that no test can notice.

Takes about as long as a build of the release preset and the simulation's seeds for each mutant that the unit tests let
live. Exit status: 0 when at least 95 % died, 1 when fewer did, 2 when something else failed.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import mutant_finder

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / ".build" / "mutants"
TREE, BUILD = WORK / "tree", WORK / "build"
HEADER = "prooftrack_mutant.hpp"
EQUIVALENT = pathlib.Path(__file__).with_name("mutants_equivalent.txt")
NOT_MUTATED = ["check_invariants"]
FOR_OTHERS = {"lib/track/types.hpp", "lib/track/event.hpp"}
FLAGS = "-O1 -g0 -w -Wno-c++11-narrowing -Wno-invalid-constexpr"
TARGETS = ["test_track", "test_sim"]
MEMORY = 4 << 30
ENOUGH = 0.95


class Failure(Exception):
    pass


# Finding.

def syntax_trees(arguments, source=""):
    """Parsed once: .build/mutants/trees has them until a source of lib/track or lib/base is another one."""
    command = ["clang++", "-std=c++20", "-Ilib", "-w", "-fsyntax-only", "-Xclang", "-ast-dump=json",
               "-Xclang", "-ast-dump-filter=prooftrack", *arguments]
    kept = WORK / "trees" / (re.sub(r"\W", "_", "-".join(arguments)) + ".json")
    key = hashlib.sha256("|".join(command).encode() + source.encode())
    for folder in ("base", "track"):
        for path in sorted((ROOT / "lib" / folder).glob("*.[ch]pp")):
            key.update(path.read_bytes())
    header = key.hexdigest() + "\n"
    if not kept.exists() or not (dump := kept.read_text()).startswith(header):
        done = subprocess.run(command, cwd=ROOT, input=source, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(done.stderr)
        dump = header + done.stdout
        write_if_other(kept, dump.encode())
    return mutant_finder.parse_trees(dump[len(header):])


def find_all(jobs):
    """[(finder, its mutants)] of each source and header, numbered."""
    files = sorted({str(path.relative_to(ROOT)) for path in (ROOT / "lib/track").glob("*.[ch]pp")} - FOR_OTHERS)
    finders = {file: mutant_finder.Finder(file, (ROOT / file).read_text(), NOT_MUTATED) for file in files}
    headers = [file for file in files if file.endswith(".hpp")]

    def look(file):
        if file is not None:
            for tree in syntax_trees([file]):
                finders[file].find(tree)
            return
        for tree in syntax_trees(["-x", "c++", "-"], "".join(f'#include "{name[4:]}"\n' for name in headers)):
            for name in headers:
                finders[name].find(tree)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(look, [None] + [file for file in files if file.endswith(".cpp")]))
    found = []
    for index, file in enumerate(files):
        mutants = mutant_finder.mutants_of(finders[file])
        for number, mutant in enumerate(mutants):
            mutant.number = 1 + index * 1000 + number
        found.append((finders[file], mutants))
    return found


# Building.

def write_if_other(path, content):
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def copy_tree(found):
    """The working tree's files in TREE, with all mutants in those of lib/track; what is the same keeps its time."""
    changed = {finder.file: mutant_finder.instrument(finder, HEADER) for finder, _ in found}
    kept = {f"lib/{HEADER}"}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(".")
                      and name not in {"__pycache__", "node_modules"}]
        for file in files:
            path = pathlib.Path(folder, file)
            name = str(path.relative_to(ROOT))
            kept.add(name)
            write_if_other(TREE / name, changed[name].encode() if name in changed else path.read_bytes())
            (TREE / name).chmod(path.stat().st_mode)
    write_if_other(TREE / "lib" / HEADER, mutant_finder.HEADER.encode())
    for folder, _, files in os.walk(TREE):
        for file in files:
            if str(pathlib.Path(folder, file).relative_to(TREE)) not in kept:
                pathlib.Path(folder, file).unlink()


def refused_places(log):
    """[{(file, line)}] for each error of the compiler: where to look for what it refuses."""
    errors = []
    for line in log.splitlines():
        found = re.match(r"(\S+?):(\d+):\d+: (fatal error|error|note|warning): (.*)", line)
        if not found:
            continue
        if found[3].endswith("error"):
            errors.append(([], []))
        if not errors or found[3] == "warning":
            continue
        path = pathlib.Path(os.path.normpath(BUILD / found[1]))
        place = (str(path.relative_to(TREE)) if path.is_relative_to(TREE) else found[1], int(found[2]))
        errors[-1]["declared here" in found[4]].append(place)
    return errors


def build(found, jobs):
    """Compiles all mutants; those that the compiler refuses lose their numbers. Remembers them for the next time."""
    memory = WORK / "refused.json"
    refused = json.loads(memory.read_text()) if memory.exists() else {}
    everything = [mutant for _, mutants in found for mutant in mutants]
    digest = {finder.file: hashlib.sha256(finder.text).hexdigest() for finder, _ in found}
    for mutant in everything:
        if refused.get(mutant.key) == digest[mutant.file]:
            mutant.number = 0
    if not (BUILD / "build.ninja").exists():
        copy_tree(found)
        subprocess.run(["cmake", "--preset", "release", "-S", TREE, "-B", BUILD, "-DCMAKE_BUILD_TYPE=Debug",
                        f"-DCMAKE_CXX_FLAGS_DEBUG={FLAGS}", "-DPROOFTRACK_WERROR=OFF"], check=True,
                       stdout=subprocess.DEVNULL)
    for _ in range(20):
        copy_tree(found)
        done = subprocess.run(["ninja", "-C", BUILD, f"-j{jobs}", "-k0", *TARGETS], capture_output=True, text=True)
        if done.returncode == 0:
            return
        dropped = 0
        for places, declared in refused_places(done.stdout):
            for wanted in (declared, places):
                guilty = [one for one in everything if one.number and
                          any(file == one.file and one.line <= line <= one.last_line for file, line in wanted)]
                for mutant in guilty:
                    mutant.number = 0
                    refused[mutant.key] = digest[mutant.file]
                dropped += len(guilty)
                if guilty:
                    break
        say(f"{dropped} mutants do not compile")
        memory.write_text(json.dumps(refused, indent=1))
        if dropped == 0:
            raise Failure(done.stdout[-5000:])
    raise Failure("the mutants do not compile, whatever is left out")


# Running.

def run(name, arguments, mutant, seconds, **variables):
    """'passed', 'failed' or 'timeout'. The limit is of processor time: how busy the machine is does not matter."""
    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    environment = dict(os.environ, PROOFTRACK_MUTANT=str(mutant), RC_PARAMS="seed=1", **variables)
    process = subprocess.Popen([BUILD / "tests" / name, "--gtest_brief=1", "--gtest_fail_fast", *arguments], cwd=BUILD,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=environment, preexec_fn=limit)
    try:
        status = process.wait(seconds * 10 + 60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "timeout"
    if status in {-24, -9}:  # SIGXCPU, SIGKILL
        return "timeout"
    return "failed" if status else "passed"


def reached_by(name, arguments, **variables):
    """(mutants that it reaches, seconds) of a run without a mutant."""
    with tempfile.NamedTemporaryFile() as note:
        begin = time.monotonic()
        if run(name, arguments, 0, 3600, PROOFTRACK_MUTANTS_REACHED=note.name, **variables) != "passed":
            raise Failure(f"{name} {' '.join(arguments)} fails without a mutant")
        return {int(line) for line in pathlib.Path(note.name).read_text().split()}, time.monotonic() - begin


class Judge:
    """Knows which tests reach which mutant, and how long they take."""

    def __init__(self, jobs, seeds):
        self.seeds = {"PROOFTRACK_FIRST_SEED": "1", "PROOFTRACK_SEEDS": str(seeds)}
        self.simulation = ["--gtest_filter=Simulation.ThePromises*"]
        listed = subprocess.run([BUILD / "tests/test_track", "--gtest_list_tests"], capture_output=True, text=True,
                                check=True)
        tests, suite = [], ""
        for line in listed.stdout.splitlines():
            if line.startswith(" "):
                tests.append(suite + line.split("#")[0].strip())
            elif line.endswith(".") or ".  #" in line:
                suite = line.split()[0]
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            simulated = pool.submit(reached_by, "test_sim", self.simulation, **self.seeds)
            reached = pool.map(lambda test: reached_by("test_track", [f"--gtest_filter={test}"]), tests)
            self.tests = [(took, test, numbers) for test, (numbers, took) in zip(tests, reached)]
            self.simulated, self.simulation_took = simulated.result()
        self.tests.sort()
        self.tests_took = sum(took for took, _, _ in self.tests)

    def judge(self, mutant):
        """(what killed it or 'survived', remark)"""
        reaching = [(took, test) for took, test, numbers in self.tests if mutant.number in numbers]
        fast = [test for took, test in reaching if took < 0.2]
        slow = [test for took, test in reaching if took >= 0.2]
        for tests in (fast, slow):
            if not tests:
                continue
            result = run("test_track", ["--gtest_filter=" + ":".join(tests)], mutant.number, 10 + 3 * self.tests_took)
            if result != "passed":
                return ("unit tests" if result == "failed" else "timeout"), ""
        if mutant.number in self.simulated:
            result = run("test_sim", self.simulation, mutant.number, 10 + 3 * self.simulation_took, **self.seeds)
            if result != "passed":
                return ("seeds" if result == "failed" else "timeout"), ""
        elif not reaching:
            return "survived", "no test reaches it"
        return "survived", f"{len(reaching)} tests reach it" + (", and the seeds" if mutant.number in self.simulated
                                                                else "")


# What is asked for.

def read_equivalents():
    """{(file, before, after): why}"""
    known = {}
    if not EQUIVALENT.exists():
        return known
    text = "\n".join(line for line in EQUIVALENT.read_text().splitlines() if not line.startswith("#"))
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in block.splitlines()]
        if len(lines) < 4 or lines[1][:2] != "- " or lines[2][:2] != "+ ":
            raise Failure(f"{EQUIVALENT}: a file, a line with -, one with + and the reason are wanted:\n{block}")
        known[lines[0], lines[1][2:], lines[2][2:]] = " ".join(lines[3:])
    return known


def draw(everything, arguments, equivalents):
    """The same for the same seed; a change of the sources or of the equivalents changes little of it."""
    wanted = [one for one in everything if one.number and (one.file, one.before, one.after) not in equivalents]
    if arguments.only:
        wanted = [one for one in wanted if any(one.file.endswith(only) for only in arguments.only)]
    if arguments.survivors:
        before = json.loads((WORK / "survivors.json").read_text())
        return [one for one in wanted if one.key in before]
    wanted.sort(key=lambda one: hashlib.sha256(f"{arguments.seed}|{one.key}".encode()).digest())
    return wanted[:arguments.count]


def say(text):
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300, help="so many mutants, at random (300)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    parser.add_argument("--seeds", type=int, default=300, help="seeds of the simulation for each mutant (300)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(),
                        help="at the same time (as many as there are processors)")
    parser.add_argument("--only", metavar="FILE", action="append",
                        help="of this file, say due_heap.cpp; may be repeated")
    parser.add_argument("--survivors", action="store_true", help="only those that survived the last time")
    parser.add_argument("--list", action="store_true", help="prints the mutants and runs nothing")
    arguments = parser.parse_args()
    for program in ("clang++", "cmake", "ninja", "ccache"):
        if not shutil.which(program):
            raise Failure(f"{program} is missing: tests/support/install_packages.sh build test")
    WORK.mkdir(parents=True, exist_ok=True)
    equivalents = read_equivalents()
    say("looking for mutants")
    found = find_all(arguments.jobs)
    everything = [mutant for _, mutants in found for mutant in mutants]
    texts = {(one.file, one.before, one.after) for one in everything}
    for file, before, after in equivalents:
        if (file, before, after) not in texts:
            print(f"{EQUIVALENT.name} names what is no mutant (any more): {file}: {after}")
    if arguments.list:
        for mutant in draw(everything, arguments, equivalents):
            print(mutant)
        return 0
    say(f"compiling {len(everything)} mutants")
    build(found, arguments.jobs)
    say("running the tests without a mutant")
    judge = Judge(arguments.jobs, arguments.seeds)
    chosen = draw(everything, arguments, equivalents)
    killed = {"unit tests": [], "seeds": [], "timeout": [], "survived": []}
    remarks = {}
    begin, done = time.monotonic(), 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        running = {pool.submit(judge.judge, mutant): mutant for mutant in chosen}
        for one in concurrent.futures.as_completed(running):
            result, remark = one.result()
            killed[result].append(running[one])
            remarks[running[one].key] = remark
            done += 1
            if sys.stderr.isatty() or done % 25 == 0:
                say(f"{done} of {len(chosen)} in {time.monotonic() - begin:.0f} s, {len(killed['survived'])} survived")
    say("")
    if not arguments.survivors:
        (WORK / "survivors.json").write_text(json.dumps([mutant.key for mutant in killed["survived"]], indent=1))
    for mutant in sorted(killed["survived"], key=lambda one: (one.file, one.line)):
        print(f"{mutant}\n    # PROOFTRACK_MUTANT={mutant.number}: {remarks[mutant.key]}")
    dead = len(chosen) - len(killed["survived"])
    print(f"\n{len(everything)} mutants, {sum(not one.number for one in everything)} of them do not compile, "
          f"{len(equivalents)} are known to change nothing; seed {arguments.seed} drew {len(chosen)}")
    for name, label in (("unit tests", "killed by unit tests"), ("seeds", f"killed by {arguments.seeds} seeds"),
                        ("timeout", "killed by their timeout"), ("survived", "survived")):
        print(f"{label:<26}{len(killed[name]):>5}")
    print(f"{'killed':<26}{100 * dead / max(1, len(chosen)):>5.1f} %")
    return 0 if dead >= ENOUGH * len(chosen) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"\nmutants.py: {failure}", file=sys.stderr)
        sys.exit(2)
