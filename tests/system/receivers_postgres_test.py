#!/usr/bin/env python3
"""The tables and statements of the packages for receivers on a real PostgreSQL, where transactions do run at once: by
Node's package and the driver `pg` from npm. Skipped without PostgreSQL's programs."""

import json
import subprocess
import unittest

from client_case import RECEIVERS, npm_install
from postgres_server import MISSING, PROGRAMS, PostgresServer

# 200 payments, each completed, failed and completed again: every event several times at once and in no order, repeated
# after an error as prooftrackd does. Prints what the moves of money are in the end.
SHOP = """
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { record } from 'prooftrackd-receiver';

const pool = new pg.Pool({ host: process.argv[2], user: 'postgres', max: 20 });
await pool.query(readFileSync(process.argv[3], 'utf8'));
await pool.query('CREATE TABLE moves (at SERIAL, payment TEXT, amount INTEGER)');

async function handle(event) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const run = async (sql, values) => (await client.query(sql, values)).rowCount;
    const change = await record(run, event, { placeholder: '$' });
    if (change) {
      await client.query('INSERT INTO moves (payment, amount) VALUES ($1, $2)',
        [event.data.merchant_transaction_id, change === 'credit' ? 1 : -1]);
    }
    await client.query('COMMIT');
    return true;
  } catch (error) {
    await client.query('ROLLBACK');
    if (error.code !== '23505') throw error; // a unique key refused a repeat
    return false;
  } finally {
    client.release();
  }
}

let refused = 0;
for (let payment = 0; payment < 60; payment += 1) {
  const events = ['completed', 'failed', 'completed'].flatMap((status, at) => Array(5).fill({
    id: `evt_${payment}_${at}`, type: `transaction.${status}`, sequence: 1790000000000 + at,
    data: { merchant_transaction_id: `order-${payment}`, status },
  }));
  await Promise.all(events.map(async (event) => { while (!await handle(event)) refused += 1; }));
}
const rows = async (sql) => (await pool.query({ text: sql, rowMode: 'array' })).rows;
console.log(JSON.stringify({
  refused,
  payments: await rows('SELECT credited, sequence, count(*)::int FROM proof_payments GROUP BY 1, 2'),
  sums: await rows('SELECT sum, count(*)::int FROM (SELECT sum(amount)::int FROM moves GROUP BY payment) s GROUP BY 1'),
  range: await rows('SELECT max(r)::int, min(r)::int FROM ' +
    '(SELECT sum(amount) OVER (PARTITION BY payment ORDER BY at) AS r FROM moves) s'),
}));
await pool.end();
"""


@unittest.skipUnless(PROGRAMS, MISSING)
class PostgreSql(unittest.TestCase):
    def setUp(self):
        self.server = PostgresServer()
        self.addCleanup(self.server.remove)
        self.folder = self.server.folder
        npm_install(self.folder, str(RECEIVERS / "node"), "pg@8")
        self.server.start()

    def test_a_payment_is_credited_once_however_many_events_come_at_once(self):
        shop = self.folder / "shop.mjs"
        shop.write_text(SHOP)
        done = subprocess.run(["node", shop, self.folder, RECEIVERS / "node" / "schema.sql"], capture_output=True,
                              text=True, timeout=120, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertGreater(found["refused"], 0, "nothing ran at once")
        self.assertEqual(found["payments"], [[1, "1790000000002", 60]])
        self.assertEqual(found["sums"], [[1, 60]])
        ((most, least),) = found["range"]
        self.assertEqual(most, 1, "credited twice in between")
        self.assertGreaterEqual(least, 0, "clawed back before it was credited")


if __name__ == "__main__":
    unittest.main()
