"""Adds, durable: NDJSON import, and 64 clients that post one at a time, against raw SQLite with the same rows and
batches."""

import json
import shutil
import sqlite3
import subprocess
import time

from world import SERVER_CORE, Window, bench_program, import_bodies, metrics, pinned, post_bodies

TITLE = "Adds a second, durable"


def raw_sqlite(source, folder, count, batch):
    """Inserts a second into a table like the daemon's, with its indexes, WAL and FULL."""
    found = sqlite3.connect(source)
    tables = found.execute("SELECT type, sql FROM sqlite_master WHERE tbl_name = 'transactions' AND sql IS NOT NULL "
                           "ORDER BY type DESC").fetchall()
    columns = [row[1] for row in found.execute("PRAGMA table_info(transactions)")]
    sample = list(found.execute("SELECT * FROM transactions LIMIT 1").fetchone())
    found.close()
    target = folder / "raw.db"
    database = sqlite3.connect(target, isolation_level=None)
    for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=1000"):
        database.execute(f"PRAGMA {pragma}")
    for _, sql in tables:
        database.execute(sql)
    row_at, id_at = columns.index("row"), columns.index("id")
    rows = []
    for number in range(count):
        row = list(sample)
        row[row_at], row[id_at] = number + 1, bytes.fromhex(f"550e8400e29b41d4a716{number:012x}")
        rows.append(row)
    insert = f"INSERT INTO transactions VALUES ({','.join('?' * len(columns))})"
    start, cpu = time.monotonic(), time.process_time()
    for at in range(0, count, batch):
        database.execute("BEGIN IMMEDIATE")
        database.executemany(insert, rows[at:at + batch])
        database.execute("COMMIT")
    took, cpu = time.monotonic() - start, time.process_time() - cpu
    database.close()
    for name in folder.glob("raw.db*"):
        name.unlink()
    return {"per_second": count / took, "cpu_us": cpu / count * 1e6}


def run(world):
    count = 50_000 if world.quick else 200_000
    # Polling is held back, so that the figure is the adds' own.
    daemon = world.daemon("adds", world.pending, poll={"max_rate": 10})
    world.start(daemon)
    bodies = import_bodies(count)
    with Window(world, daemon.process.pid) as window:
        post_bodies(daemon, bodies)
    imported = {"per_second": count / window.seconds, "cpu_us": window.cpu / count * 1e6, "foreign": window.foreign}
    before = metrics(daemon)
    with Window(world, daemon.process.pid) as window:
        done = subprocess.run(pinned(SERVER_CORE, [bench_program("post_clients"), daemon.socket, "64",
                                                   "2" if world.quick else "5", "660e8400"]),
                              capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    posted = json.loads(done.stdout)
    after = metrics(daemon)
    commits = after["prooftrackd_commit_seconds_count"] - before["prooftrackd_commit_seconds_count"]
    batch = max(1, round(posted["adds"] / max(commits, 1)))
    daemon.stop()
    source = daemon.folder / "state" / "prooftrackd.db"
    one_at_a_time = {"per_second": posted["adds"] / posted["seconds"], "p50_ms": posted["p50_ms"],
                     "p99_ms": posted["p99_ms"],
                     "cpu_us": window.cpu / posted["adds"] * 1e6, "rows_a_commit": batch, "foreign": window.foreign}
    raw_import = raw_sqlite(source, daemon.folder, count, 1_000)
    raw_posts = raw_sqlite(source, daemon.folder, min(count, 50_000), batch)
    shutil.rmtree(daemon.folder)
    return {"import": imported, "64 clients, one at a time": one_at_a_time,
            "raw SQLite, 1,000 rows a commit": raw_import,
            "raw SQLite, as many rows a commit as the 64 clients'": raw_posts}


def derive(rounds):
    names = list(rounds[0])
    return {"import: against raw SQLite": [one[names[0]]["per_second"] / one[names[2]]["per_second"] for one in rounds],
            "64 clients: against raw SQLite": [one[names[1]]["per_second"] / one[names[3]]["per_second"]
                                               for one in rounds],
            "import: CPU a row against raw SQLite": [one[names[0]]["cpu_us"] / one[names[2]]["cpu_us"]
                                                     for one in rounds],
            "import: a second": [one[names[0]]["per_second"] for one in rounds],
            "64 clients: a second": [one[names[1]]["per_second"] for one in rounds]}


TARGETS = [("import: a second", ">=", 60_000), ("import: against raw SQLite", ">=", 0.5),
           ("64 clients: a second", ">=", 10_000)]
