"""The microbenchmarks of micro.cpp, in CPU nanoseconds an operation."""

import json
import subprocess

from world import CLIENT_CORE, bench_program, pinned

TITLE = "Single steps, CPU time"


def run(world):
    done = subprocess.run(pinned(CLIENT_CORE, [bench_program("micro"), "--benchmark_format=json",
                                               f"--benchmark_min_time={0.05 if world.quick else 0.5}"]),
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return {one["name"]: {"cpu_ns": one["cpu_time"]} for one in json.loads(done.stdout)["benchmarks"]}


def derive(_):
    return {}


TARGETS = []
