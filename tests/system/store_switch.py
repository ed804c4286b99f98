"""The store that the tests of this folder give their daemons: SQLite, or with PROOFTRACK_STORE=postgresql a database
of its own on one PostgreSQL of the test's process. What is about SQLite itself says so (`about_sqlite`) and is skipped.
"""

import atexit
import contextlib
import os
import sqlite3
import unittest

ON_POSTGRES = os.environ.get("PROOFTRACK_STORE", "sqlite") == "postgresql"

_server = None
_databases = {}  # path that SQLite's file would have -> URL


def about_sqlite(why):
    """Decorates a test, or a class of them, that holds for SQLite alone: what it looks at is not PostgreSQL's."""
    return unittest.skipIf(ON_POSTGRES, f"about SQLite: {why}")


def shared_server():
    """Started when it is first asked for; goes with the process."""
    global _server
    if _server is None:
        from postgres_server import MISSING, PROGRAMS, PostgresServer, free_port  # which imports the harness
        if not PROGRAMS:
            raise SystemExit(MISSING)
        _server = PostgresServer(free_port())
        atexit.register(_server.remove)
        _server.start("-c", "max_connections=200", "-c", "fsync=on")  # without it each daemon warns
    return _server


def url_of(path):
    if path not in _databases:
        name = f"db{len(_databases) + 1}"
        shared_server().sql(f"CREATE DATABASE {name}")
        _databases[path] = f"postgresql://postgres@127.0.0.1:{_server.port}/{name}"
    return _databases[path]


def ask_store(path, sql):
    """Rows of the store of a stopped daemon; columns are text on PostgreSQL."""
    if ON_POSTGRES:
        rows = shared_server().sql(sql, url_of(str(path)).rsplit("/", 1)[1])
        return [tuple(line.split("|")) for line in rows.splitlines()]
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()


def on_store(config):
    """The configuration as it is written for a daemon. A path of SQLite's file stands for a database; the same path is
    the same database."""
    store = config.get("store", {})
    if not ON_POSTGRES or "path" not in store:
        return config
    return {**config, "store": {"url": url_of(store["path"]), **{k: v for k, v in store.items() if k != "path"}}}
