// Takes prooftrackd's webhooks: verifies the signature, and says once for each payment when to credit it.
// Node 18 or newer; no other package.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

export const LARGEST_BODY = 1024 * 1024; // bytes; prooftrackd sends far less
const WINDOW = 300; // seconds that a request may be old, or ahead of our clock
const FINAL_TYPES = ['transaction.completed', 'transaction.failed', 'transaction.cancelled', 'transaction.reversed'];

// A request that is refused: `status` is the answer, 400 or 401.
export class WebhookError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// The keys in a secret file: one whsec_… a line, the newest first. Anything else is an error: a blank line would be an
// empty key, with which anybody can sign.
export function readKeys(text) {
  return text.trim().split('\n').map((line) => {
    const secret = line.trim();
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    if (!/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(secret) || key.length < 24) {
      throw new Error('the secret file holds a line that is no whsec_… of 24 bytes');
    }
    return key;
  });
}

// The event in a genuine request. `headers` are Node's or those of fetch, `body` the bytes as they came, `now` is in
// milliseconds since 1970. Throws WebhookError.
export function verify(keys, headers, body, now = Date.now()) {
  const header = (name) => (typeof headers.get === 'function' ? headers.get(name) : headers[name]) ?? '';
  if (!isGenuine(keys, header, body, now)) throw new WebhookError(401, 'the signature is not ours');
  const event = parse(body);
  // The header is not signed: somebody may have changed it on its way.
  if (header('webhook-sequence') !== String(event.sequence)) {
    throw new WebhookError(400, 'webhook-sequence is not that of the body');
  }
  return event;
}

// Standard Webhooks: any of our keys may have made any of the signatures, so secrets can be rotated.
function isGenuine(keys, header, body, now) {
  const id = header('webhook-id');
  const stamp = header('webhook-timestamp');
  // Too old: somebody may have recorded the request and be sending it again.
  if (!/^\d{1,12}$/.test(stamp) || Math.abs(Math.floor(now / 1000) - Number(stamp)) > WINDOW) return false;
  if (!(body instanceof Uint8Array)) {
    throw new TypeError('the body must be the bytes as they came: take it before express.json() parses it');
  }
  const given = header('webhook-signature').split(' ').map((one) => Buffer.from(one));
  return keys.some((key) => {
    const mac = createHmac('sha256', key).update(`${id}.${stamp}.`).update(body).digest('base64');
    const wanted = Buffer.from(`v1,${mac}`);
    return given.some((one) => one.length === wanted.length && timingSafeEqual(one, wanted));
  });
}

function parse(body) {
  try {
    const { id, type, timestamp, data } = JSON.parse(Buffer.from(body).toString('utf8'));
    // The event's place among those of its transaction: milliseconds since 1970, from what is signed.
    const sequence = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(timestamp) ? Date.parse(timestamp) : NaN;
    const { merchant_transaction_id: payment, status } = data;
    const texts = FINAL_TYPES.includes(type) ? [id, type, payment, status] : [id, type];
    if (Number.isSafeInteger(sequence) && texts.every((text) => typeof text === 'string' && text !== '')) {
      return { id, type, timestamp, sequence, data };
    }
  } catch {
    // Answered like every other body that is no event.
  }
  throw new WebhookError(400, 'the body is no event');
}

// Notes the event in proof_events and proof_payments, and returns what to do with the payment, in the same database
// transaction: 'credit' it, 'claw_back' an earlier credit, or null: nothing (a repeat, an older event, no change).
// `run(sql, values)` executes one statement in your open transaction and resolves to the number of rows that it has
// changed. Its placeholders are `?`; with `placeholder: '$'` they are PostgreSQL's `$1`. The first statement writes, so
// a transaction of SQLite waits for the others instead of failing. When two repeats arrive at once, a unique key
// refuses one of them: `run` rejects, you roll back and answer 500, and prooftrackd sends it again.
export async function record(run, event, { placeholder = '?' } = {}) {
  if (!FINAL_TYPES.includes(event.type)) return null; // a type that we do not know, or that moves no money
  const change = async (sql, ...values) => {
    let number = 0;
    const statement = placeholder === '$' ? sql.replace(/\?/g, () => `$${(number += 1)}`) : sql;
    const changed = await run(statement, values);
    if (!Number.isInteger(changed)) throw new TypeError('run() must resolve to the number of changed rows');
    return changed > 0;
  };
  const id = event.data.merchant_transaction_id;
  const credited = event.data.status === 'completed' ? 1 : 0;
  const isNew = await change(
    'INSERT INTO proof_events (event_id) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM proof_events WHERE event_id = ?)',
    event.id, event.id);
  if (!isNew) return null; // a repeat
  await change(
    'INSERT INTO proof_payments (merchant_transaction_id, credited, sequence) SELECT ?, 0, -1 ' +
    'WHERE NOT EXISTS (SELECT 1 FROM proof_payments WHERE merchant_transaction_id = ?)', id, id);
  const isNewer = await change(
    'UPDATE proof_payments SET sequence = ? WHERE merchant_transaction_id = ? AND sequence < ?',
    event.sequence, id, event.sequence);
  if (!isNewer) return null; // a dead delivery that was sent again by hand
  const isChange = await change(
    'UPDATE proof_payments SET credited = ? WHERE merchant_transaction_id = ? AND credited <> ?',
    credited, id, credited);
  if (!isChange) return null;
  return credited ? 'credit' : 'claw_back';
}

// What a route needs. `secretFile` is read at once, so that a bad one is noticed before the first event, and again for
// each request: a rotated secret needs no restart. `log` gets the reason of each refusal and failure.
export class Receiver {
  #secretFile;
  #log;

  constructor(secretFile, { log = console.error } = {}) {
    readKeys(readFileSync(secretFile, 'utf8'));
    this.#secretFile = secretFile;
    this.#log = log;
  }

  // The status to answer: 204 when `await handle(event)` has returned, so after your commit; 400, 401 or 413 for what
  // is refused; 500 for whatever goes wrong here or in `handle`. prooftrackd repeats all but 204.
  async receive(headers, body, handle) {
    try {
      if (body?.length > LARGEST_BODY) return 413;
      const keys = readKeys(await readFile(this.#secretFile, 'utf8'));
      await handle(verify(keys, headers, body));
      return 204;
    } catch (error) {
      this.#log(`prooftrackd's webhook: ${error.message}`);
      return error instanceof WebhookError ? error.status : 500;
    }
  }

  // A handler of requests, for node:http and for Express alike: it reads the body itself, so it stands before any
  // express.json(). A body that express.raw() has read is taken too.
  handler(handle) {
    return async (request, response) => {
      if (request.method !== 'POST') return end(response, 405);
      try {
        const body = await bodyOf(request);
        return end(response, body ? await this.receive(request.headers, body, handle) : 413);
      } catch (error) {
        return this.#log(`prooftrackd's webhook: ${error.message}`); // the sender has gone
      }
    };
  }
}

// The bytes, undefined when there are too many. A little of what is too much is read all the same: a sender that is
// still sending would miss the answer.
async function bodyOf(request) {
  if (request.body !== undefined && (request.body instanceof Uint8Array || request.readableEnded)) return request.body;
  const chunks = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += chunk.length;
    if (size <= LARGEST_BODY) chunks.push(chunk);
    if (size > 2 * LARGEST_BODY) break;
  }
  return size <= LARGEST_BODY ? Buffer.concat(chunks) : undefined;
}

function end(response, status) {
  response.writeHead(status, status === 413 ? { Connection: 'close' } : {}).end();
}
