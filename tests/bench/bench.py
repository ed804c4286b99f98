"""Runs the sections, round by round, and writes the report."""

import argparse
import importlib
import signal
import sys
import time

import report
from world import World

SECTIONS = ["poll_cost", "adds", "idle", "callbacks", "scale", "far", "ends", "restart", "detection", "micro"]


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    arguments = argparse.ArgumentParser(prog="tests/bench/run")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("sections", nargs="*", metavar="SECTION")
    options = arguments.parse_args()
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown or options.rounds < 1:
        arguments.error(f"sections are {', '.join(SECTIONS)}; at least one round")
    names = options.sections or SECTIONS
    modules = {name: importlib.import_module(name if name != "micro" else "micro_runs") for name in names}
    rounds = {name: [] for name in names}
    for number in range(options.rounds):
        for name in names:
            print(f"== round {number + 1} of {options.rounds}: {name} ({time.strftime('%H:%M:%S')})", flush=True)
            with World(options.quick) as world:
                rounds[name].append(modules[name].run(world))
            for what, figures in rounds[name][-1].items():
                print(f"   {what}: " + ", ".join(f"{key} {value:.4g}"
                                                 for key, value in figures.items() if value is not None), flush=True)
    missed = report.write(modules, rounds, options)
    print(f"written to {report.RESULTS}; targets missed: {', '.join(missed) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
