"""Medians and spread as JSON and Markdown, and the comparison as SVG."""

import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


def output(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return (done.stdout or done.stderr).strip().split("\n")[0]
    except OSError:
        return "absent"


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1))
    root = str(Path(__file__).resolve().parents[2])
    return {"cpu": cpu.group(1) if cpu else platform.processor(), "cores": os.cpu_count(),
            "memory_gib": round(memory / 1048576, 1),
            "system": f"{platform.system()} {platform.release()}",
            "commit": output("git", "-c", f"safe.directory={root}", "-C", root, "rev-parse", "--short", "HEAD"),
            "nginx": output("nginx", "-v"), "wrk": output("wrk", "-v"), "h2load": output("h2load", "--version"),
            "go": output("go", "version"), "node": output("node", "--version"),
            "openssl": output("openssl", "version"), "compiler": output("clang++", "--version")}


def middle(values):
    known = [value for value in values if value is not None]
    return {"median": statistics.median(known), "low": min(known), "high": max(known)} if known else None


def summary(module, rounds):
    figures = {what: {key: middle([one[what].get(key) for one in rounds]) for key in rounds[0][what]}
               for what in rounds[0]}
    derived = {name: middle(values) for name, values in module.derive(rounds).items()}
    targets = []
    for name, sign, bound in module.TARGETS:
        value = derived.get(name) and derived[name]["median"]
        met = None if value is None else value <= bound if sign == "<=" else value >= bound
        targets.append({"what": name, "target": f"{sign} {bound}", "median": value, "met": met})
    return {"title": module.TITLE, "figures": figures, "derived": derived, "targets": targets, "rounds": rounds}


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def cell(value):
    if value is None:
        return ""
    if value["low"] == value["high"]:
        return number(value["median"])
    return f"{number(value['median'])} ({number(value['low'])} to {number(value['high'])})"


def table(figures):
    keys = list(dict.fromkeys(key for one in figures.values() for key in one))
    lines = ["| | " + " | ".join(keys) + " |", "| --- |" + " --- |" * len(keys)]
    return lines + [f"| {what} | " + " | ".join(cell(one.get(key)) for key in keys) + " |"
                    for what, one in figures.items()]


def markdown(done, about):
    lines = ["# Measured", "", f"Written by `{about['command']}`: {about['rounds']} interleaved rounds, {about['at']}"
             + (", **quick: too short to quote**" if about["quick"] else "") + ". Median (lowest to highest).",
             "`foreign` is the share of the machine that other processes used meanwhile: figures beside much of it "
             "are worse than the program, and not to quote.", ""]
    lines += [f"- {key}: {value}" for key, value in about["machine"].items()]
    for section in done.values():
        lines += ["", f"## {section['title']}", "", *table(section["figures"])]
        if section["derived"]:
            lines += ["", *[f"- {name}: {cell(value)}" for name, value in section["derived"].items() if value]]
        if section["targets"]:
            lines += ["", "| target | | measured | |", "| --- | --- | --- | --- |"]
            lines += [f"| {one['what']} | {one['target']} | "
                      f"{number(one['median']) if one['median'] is not None else ''} | "
                      f"{ {True: 'met', False: '**missed**', None: 'not measured'}[one['met']] } |"
                      for one in section["targets"]]
    return "\n".join(lines) + "\n"


def foreign_share(figures):
    """The most that others used of the machine, as the median of any figure."""
    return max((one["foreign"]["median"] for one in figures.values() if one.get("foreign")), default=0)


def comparison(section):
    """Bars of CPU time a poll against wrk's, logarithmic, for light and dark pages. Says so when the machine was not
    ours alone."""
    derived, foreign = section["derived"], foreign_share(section["figures"])
    crowded = f"; others used {foreign:.0%} of the machine" if foreign > 0.1 else ""
    bars = [(name.split(": against")[0], value["median"]) for name, value in derived.items()]
    bars.sort(key=lambda bar: bar[1])
    low, high = min(0.3, bars[0][1] * 0.8), bars[-1][1]
    height = 34 + 26 * len(bars) + 12
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" font-family="sans-serif" '
           f'font-size="13" role="img" '
           f'aria-label="CPU time a poll against wrk">',
           '<style>text{fill:#333}rect{fill:#8aa4bf}.own{fill:#1f7a4d}'
           '@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>',
           f'<text x="8" y="20" font-weight="bold">CPU time a poll, wrk = 1 (shorter is better, '
           f'logarithmic{crowded})</text>']
    for at, (name, value) in enumerate(bars):
        y = 34 + 26 * at
        width = 360 * math.log(value / low) / math.log(high / low)
        own = ' class="own"' if name.startswith("prooftrackd") else ""
        out.append(f'<text x="232" y="{y + 14}" text-anchor="end">{name}</text><rect{own} x="240" y="{y}" '
                   f'width="{width:.0f}" height="18" rx="2"/>'
                   f'<text x="{248 + width:.0f}" y="{y + 14}">{value:.2f}</text>')
    return "\n".join(out) + "\n</svg>\n"


def write_files(stem, done, about):
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{stem}.json").write_text(json.dumps({**about, "sections": done}, indent=1) + "\n")
    (RESULTS / f"{stem}.md").write_text(markdown(done, about))


def about_now(command, rounds, quick):
    return {"command": command.strip(), "rounds": rounds, "quick": quick,
            "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "machine": machine()}


def missed_in(done):
    return [one["what"] for section in done.values() for one in section["targets"] if one["met"] is False]


def write_alone(name, sections, quick=False):
    """Of a script that is run by itself: its sections, each (module, rounds), in one pair of files; returns the targets
    that were missed."""
    done = {key: summary(module, rounds) for key, (module, rounds) in sections.items()}
    command = " ".join([f"tests/bench/{name}.py", *sys.argv[1:]])
    about = about_now(command, max(len(rounds) for _, rounds in sections.values()), quick)
    write_files(f"{name}-quick" if quick else name, done, about)
    return missed_in(done)


def write(modules, rounds, options):
    """Two files a section, so that sections can be measured on their own; returns the targets that were missed."""
    fresh = {name: summary(modules[name], rounds[name]) for name in modules}
    about = about_now("tests/bench/run " + " ".join(sys.argv[1:]), options.rounds, options.quick)
    for name, section in fresh.items():
        stem = f"{name}-quick" if options.quick else name
        write_files(stem, {name: section}, about)
        if hasattr(modules[name], "picture"):
            (RESULTS / f"{stem}.svg").write_text(modules[name].picture(section))
    if "poll_cost" in fresh and not options.quick:
        (RESULTS / "poll_cost.svg").write_text(comparison(fresh["poll_cost"]))
    return missed_in(fresh)
