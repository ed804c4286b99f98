// Takes prooftrackd's webhooks and credits each completed transaction exactly once.
// Node 18 or newer, no package from npm.
//
//   WEBHOOK_SECRET_FILE=webhook_secret SHOP_DATABASE=shop.db PORT=8080 node receiver.mjs
//
// Debian 12's Node has no SQLite of its own, so the `sqlite3` program writes the database. With Node 22.5 or newer,
// node:sqlite runs the same two statements; with PostgreSQL or MySQL your own driver does.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const secret_file = process.env.WEBHOOK_SECRET_FILE;
const database = process.env.SHOP_DATABASE;
const largest_body = 1024 * 1024;

// One whsec_… a line, the newest first. Anything else is an error: a blank line would be an empty key, with which
// anybody can sign.
function read_keys(secret_file) {
  return secret_file.trim().split('\n').map((line) => {
    const secret = line.trim();
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    if (!/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(secret) || key.length < 24) {
      throw new Error('the secret file holds a line that is no whsec_… of 24 bytes');
    }
    return key;
  });
}

// Standard Webhooks: any of our keys may have made any of the signatures, so secrets can be rotated.
function is_genuine(headers, body, keys) {
  const id = headers['webhook-id'] ?? '';
  const stamp = headers['webhook-timestamp'] ?? '';
  // Too old: somebody may have recorded the request and be sending it again.
  if (!/^\d{1,12}$/.test(stamp) || Math.abs(Date.now() / 1000 - Number(stamp)) > 300) return false;
  const given = (headers['webhook-signature'] ?? '').split(' ').map((one) => Buffer.from(one));
  return keys.some((key) => {
    const mac = createHmac('sha256', key).update(`${id}.${stamp}.`).update(body).digest('base64');
    const wanted = Buffer.from(`v1,${mac}`);
    return given.some((one) => one.length === wanted.length && timingSafeEqual(one, wanted));
  });
}

const final_types = ['transaction.completed', 'transaction.failed', 'transaction.cancelled', 'transaction.reversed'];

// The event's place among those of its transaction: milliseconds since 1970, from what is signed.
function sequence_of(event) {
  const sequence = Date.parse(event.timestamp);
  if (!Number.isSafeInteger(sequence)) throw new Error('an event without a timestamp');
  return sequence;
}

// One database transaction: the event's id, and the one credit that a payment can have. What does not come after the
// last one, by its sequence, changes nothing.
async function handle(event) {
  if (!final_types.includes(event.type)) return; // a type that we do not know, or that moves no money
  const { merchant_transaction_id: id, status, proof } = event.data;
  await run_sql(`
    BEGIN IMMEDIATE;
    INSERT OR IGNORE INTO handled_events (event_id) VALUES (${text(event.id)});
    INSERT INTO credits (merchant_transaction_id, credited, amount, currency, sequence)
    SELECT ${text(id)}, ${status === 'completed' ? 1 : 0},
           ${text(proof?.fiat_amount)}, ${text(proof?.fiat_currency)}, ${sequence_of(event)}
    WHERE changes() = 1 -- 0: the event is a repeat
    ON CONFLICT (merchant_transaction_id) DO UPDATE
    SET credited = excluded.credited, amount = excluded.amount, currency = excluded.currency,
        sequence = excluded.sequence
    WHERE excluded.sequence > credits.sequence;
    COMMIT;`);
}

// As hexadecimal digits a value cannot leave its place in the statement, whatever it holds.
function text(value) {
  return typeof value === 'string' ? `CAST(X'${Buffer.from(value).toString('hex')}' AS TEXT)` : 'NULL';
}

function run_sql(script) {
  return new Promise((resolve, reject) => {
    const options = ['-batch', '-bail', '-cmd', '.timeout 5000'];
    const sqlite = spawn('sqlite3', [...options, database], { stdio: ['pipe', 'ignore', 'pipe'] });
    let complaint = '';
    sqlite.stderr.on('data', (chunk) => (complaint += chunk));
    sqlite.on('error', reject);
    sqlite.on('close', (status) => (status === 0 ? resolve() : reject(new Error(`sqlite3: ${complaint.trim()}`))));
    sqlite.stdin.on('error', () => {}); // it ended early: its exit status tells
    sqlite.stdin.end(script);
  });
}

async function read_body(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > largest_body) throw Object.assign(new Error('too large'), { answer: 413 });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function receive(request) {
  if (request.method !== 'POST') return 405;
  const body = await read_body(request);
  // Read each time: a rotated secret needs no restart.
  const keys = read_keys(await readFile(secret_file, 'utf8'));
  if (!is_genuine(request.headers, body, keys)) return 401;
  const event = JSON.parse(body.toString('utf8'));
  // The header is not signed: somebody may have changed it on its way.
  if (request.headers['webhook-sequence'] !== String(sequence_of(event))) return 400;
  await handle(event);
  return 204; // only now: the credit is committed
}

read_keys(await readFile(secret_file, 'utf8')); // a bad file is noticed now, not at the first event
await run_sql(`
  CREATE TABLE IF NOT EXISTS handled_events (event_id TEXT PRIMARY KEY);
  CREATE TABLE IF NOT EXISTS credits (merchant_transaction_id TEXT PRIMARY KEY, credited INTEGER NOT NULL,
                                      amount TEXT, currency TEXT, sequence INTEGER NOT NULL);`);
createServer(async (request, response) => {
  try {
    response.writeHead(await receive(request)).end();
  } catch (error) {
    console.error(error.message);
    response.writeHead(error.answer ?? 500, { Connection: 'close' }).end(); // prooftrackd comes again
  }
}).listen(Number(process.env.PORT), '127.0.0.1', () => console.log('listening'));
