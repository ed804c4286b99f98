"""The shop's side: its table of credits, and what it does with an event."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import prooftrackd_receiver
from prooftrackd_receiver import record

DATABASE = os.environ["SHOP_DATABASE"]


def credit(event):
    """One database transaction: the event is noted, and the customer credited, or neither."""
    with closing(sqlite3.connect(DATABASE, timeout=5)) as database, database:  # commits, or rolls back on an exception
        cursor = database.cursor()
        change = record(cursor, event)
        if change == "credit":
            proof = event.data["proof"] or {}
            cursor.execute(
                """INSERT INTO credits (merchant_transaction_id, credited, amount, currency) VALUES (?, 1, ?, ?)
                   ON CONFLICT (merchant_transaction_id) DO UPDATE
                   SET credited = 1, amount = excluded.amount, currency = excluded.currency""",
                (event.data["merchant_transaction_id"], proof.get("fiat_amount"), proof.get("fiat_currency")))
        elif change == "claw_back":
            cursor.execute("UPDATE credits SET credited = 0 WHERE merchant_transaction_id = ?",
                           (event.data["merchant_transaction_id"],))


def create_tables():
    schema = Path(prooftrackd_receiver.__file__).with_name("schema.sql").read_text()
    with closing(sqlite3.connect(DATABASE, timeout=5)) as database:
        database.executescript(schema)
        database.execute("""CREATE TABLE IF NOT EXISTS credits (merchant_transaction_id TEXT PRIMARY KEY,
                                                                credited INTEGER NOT NULL, amount TEXT,
                                                                currency TEXT)""")
