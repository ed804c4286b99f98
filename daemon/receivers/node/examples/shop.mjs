// The shop's side: its table of credits, and what it does with an event.
// Debian 12's Node has no SQLite of its own, so the `sqlite3` program holds the transaction. In a shop, `run` is what
// its driver offers: for PostgreSQL (sql, values) => client.query(sql, values).then((result) => result.rowCount).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { record } from 'prooftrackd-receiver';

// One database transaction: the event is noted, and the customer credited, or neither.
export async function credit(event) {
  await transaction(async (run) => {
    const { merchant_transaction_id: id, proof } = event.data;
    const change = await record(run, event);
    if (change === 'credit') {
      await run(`
        INSERT INTO credits (merchant_transaction_id, credited, amount, currency) VALUES (?, 1, ?, ?)
        ON CONFLICT (merchant_transaction_id) DO UPDATE
        SET credited = 1, amount = excluded.amount, currency = excluded.currency`,
      [id, proof?.fiat_amount, proof?.fiat_currency]);
    } else if (change === 'claw_back') {
      await run('UPDATE credits SET credited = 0 WHERE merchant_transaction_id = ?', [id]);
    }
  });
}

export async function createTables() {
  const schema = createRequire(import.meta.url).resolve('prooftrackd-receiver/schema.sql');
  await transaction(async (run) => {
    await run(await readFile(schema, 'utf8'));
    await run(`CREATE TABLE IF NOT EXISTS credits (merchant_transaction_id TEXT PRIMARY KEY,
                                                   credited INTEGER NOT NULL, amount TEXT, currency TEXT)`);
  });
}

async function transaction(work) {
  const options = ['-batch', '-bail', '-cmd', '.timeout 5000'];
  const sqlite = spawn('sqlite3', [...options, process.env.SHOP_DATABASE]);
  const closed = once(sqlite, 'close').catch((error) => (complaint += error.message));
  const lines = createInterface({ input: sqlite.stdout })[Symbol.asyncIterator]();
  let complaint = '';
  sqlite.stderr.on('data', (chunk) => (complaint += chunk));
  sqlite.stdin.on('error', () => {}); // it ended early: the missing line tells
  const run = async (sql, values = []) => {
    const left = [...values];
    const bound = sql.replace(/\?/g, () => literal(left.shift()));
    sqlite.stdin.write(`${bound};\nSELECT changes();\n`);
    const { value: line, done } = await lines.next();
    if (done) await closed;
    if (done) throw new Error(`sqlite3: ${complaint.trim()}`);
    return Number(line);
  };
  try {
    await run('BEGIN IMMEDIATE');
    await work(run);
    await run('COMMIT');
  } finally {
    sqlite.stdin.end(); // without a COMMIT it rolls back
    await closed;
  }
}

// As hexadecimal digits a text cannot leave its place in the statement, whatever it holds.
function literal(value) {
  if (Number.isSafeInteger(value)) return String(value);
  return typeof value === 'string' ? `CAST(X'${Buffer.from(value).toString('hex')}' AS TEXT)` : 'NULL';
}
