import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { LARGEST_BODY, Receiver, WebhookError, readKeys, record, verify } from 'prooftrackd-receiver';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const other = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const keys = readKeys(secret);
const at = '2026-04-01T10:03:47.031Z';
const now = Date.parse(at) + 60_000;
const folder = mkdtempSync(join(tmpdir(), 'receiver-'));
const secretFile = join(folder, 'secret');
after(() => rmSync(folder, { recursive: true }));

function sign(with_secret, id, stamp, body) {
  const key = Buffer.from(with_secret.slice('whsec_'.length), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${stamp}.`).update(body).digest('base64')}`;
}

function make(members = {}, { stamp = String(Math.floor(now / 1000)), by = [secret] } = {}) {
  const event = {
    id: 'evt_1', type: 'transaction.completed', timestamp: at,
    data: { merchant_transaction_id: 'order-1', status: 'completed', proof: null }, ...members,
  };
  const body = Buffer.from(JSON.stringify(event));
  return {
    body,
    headers: {
      'webhook-id': 'evt_1', 'webhook-timestamp': stamp, 'webhook-sequence': String(Date.parse(event.timestamp)),
      'webhook-signature': by.map((one) => sign(one, 'evt_1', stamp, body)).join(' '),
    },
  };
}

const refused = (status) => (error) => error instanceof WebhookError && error.status === status;

test('the vector that Standard Webhooks publishes is genuine, and no event', () => {
  const headers = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek', 'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  };
  const body = Buffer.from('{"test": 2432232314}');
  assert.throws(() => verify(keys, headers, body, 1614265330_000), refused(400));
  assert.throws(() => verify(readKeys(other), headers, body, 1614265330_000), refused(401));
});

test('a genuine request gives its event, with headers of Node and of fetch', () => {
  const { headers, body } = make();
  const event = verify(keys, headers, body, now);
  assert.equal(event.id, 'evt_1');
  assert.equal(event.sequence, 1775037827031);
  assert.deepEqual(verify(keys, new Headers(headers), body, now), event);
});

test('what was altered, or signed by another, is refused', () => {
  const { headers, body } = make();
  const altered = Buffer.from(body.toString().replace('order-1', 'order-2'));
  assert.throws(() => verify(keys, headers, altered, now), refused(401));
  assert.throws(() => verify(keys, { ...headers, 'webhook-id': 'evt_2' }, body, now), refused(401));
  assert.throws(() => verify(keys, {}, body, now), refused(401));
  for (const name of Object.keys(headers).filter((one) => one !== 'webhook-sequence')) {
    assert.throws(() => verify(keys, { ...headers, [name]: '' }, body, now), refused(401), name);
  }
  const forged = make({}, { by: [other] });
  assert.throws(() => verify(keys, forged.headers, forged.body, now), refused(401));
});

test('the window is 300 seconds on either side', () => {
  const { headers, body } = make();
  for (const seconds of [300, -300]) verify(keys, headers, body, now + seconds * 1000);
  for (const seconds of [301, -301]) {
    assert.throws(() => verify(keys, headers, body, now + seconds * 1000), refused(401), String(seconds));
  }
});

test('one signature of several, and one key of several, is enough', () => {
  const both = make({}, { by: [other, secret] });
  verify(keys, both.headers, both.body, now);
  const { headers, body } = make();
  verify(readKeys(`${other}\r\n${secret}\n`), headers, body, now);
});

test('a secret file holds secrets and nothing else', () => {
  const short = `whsec_${Buffer.alloc(23).toString('base64')}`;
  for (const text of ['', '\n', `${secret}\n\n${secret}`, 'whsec_', `${secret}\nwhsec_!!`, secret.slice(6), short]) {
    assert.throws(() => readKeys(text), /secret file/, JSON.stringify(text));
  }
});

test('webhook-sequence must be that of the body', () => {
  const { headers, body } = make();
  for (const sequence of [undefined, '', '1775037827030', '1775037827031.0', ' 1775037827031']) {
    assert.throws(() => verify(keys, { ...headers, 'webhook-sequence': sequence }, body, now), refused(400));
  }
});

test('a signed body that is no event is refused', () => {
  for (const members of [{ id: 7 }, { type: '' }, { timestamp: 'soon' }, { timestamp: `${at} ` }, { data: null },
    { data: { status: 'completed' } }, { data: { merchant_transaction_id: 'order-1' } }]) {
    const { headers, body } = make(members);
    assert.throws(() => verify(keys, headers, body, now), refused(400), JSON.stringify(members));
  }
  const { headers, body } = make({ type: 'callback.test', data: {} });
  assert.equal(verify(keys, headers, body, now).type, 'callback.test');
});

test('a parsed body is a mistake of the route, not of the sender', () => {
  const { headers, body } = make();
  assert.throws(() => verify(keys, headers, JSON.parse(body), now), TypeError);
  assert.throws(() => verify(keys, {}, JSON.parse(body), now), refused(401));
});

test('receive answers 204 after the handler has returned, and 500 when it has not', async () => {
  writeFileSync(secretFile, `${secret}\n`);
  const said = [];
  const receiver = new Receiver(secretFile, { log: (line) => said.push(line) });
  const { headers, body } = make({}, { stamp: String(Math.floor(Date.now() / 1000)) });
  let committed = false;
  const slow = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    committed = true;
  };
  assert.equal(await receiver.receive(headers, body, slow), 204);
  assert.equal(committed, true);
  assert.deepEqual(said, []);
  assert.equal(await receiver.receive(headers, body, async () => { throw new Error('no database'); }), 500);
  assert.match(said.pop(), /no database/);
  assert.equal(await receiver.receive({}, body, slow), 401);
  assert.equal(await receiver.receive(headers, Buffer.alloc(LARGEST_BODY), slow), 401);
  assert.equal(await receiver.receive(headers, Buffer.alloc(LARGEST_BODY + 1), slow), 413);
  writeFileSync(secretFile, '\n');
  assert.equal(await receiver.receive(headers, body, slow), 500, 'a bad file lets nobody in');
  assert.throws(() => new Receiver(secretFile), /secret file/);
});

test('handler answers over HTTP', async () => {
  writeFileSync(secretFile, `${secret}\n`);
  const receiver = new Receiver(secretFile, { log: () => {} });
  const handled = [];
  const server = createServer(receiver.handler((event) => handled.push(event.id)));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}/`;
  const { headers, body } = make({}, { stamp: String(Math.floor(Date.now() / 1000)) });
  const post = async (bytes) => (await fetch(url, { method: 'POST', headers, body: bytes })).status;
  try {
    assert.equal(await post(body), 204);
    assert.equal(await post(Buffer.alloc(LARGEST_BODY + 1)), 413);
    assert.equal((await fetch(url)).status, 405);
    assert.deepEqual(handled, ['evt_1']);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

// A database of four statements: what each changes is told in advance.
async function recorded(changes, event, options) {
  const statements = [];
  const run = async (sql, values) => {
    statements.push({ sql, values });
    return changes[statements.length - 1];
  };
  return { change: await record(run, event, options), statements };
}

const event = (status, type = `transaction.${status}`) =>
  ({ id: 'evt_1', type, sequence: 5, data: { merchant_transaction_id: 'order-1', status } });

test('record says what to do', async () => {
  const change = async (...args) => (await recorded(...args)).change;
  assert.equal(await change([1, 1, 1, 1], event('completed')), 'credit');
  assert.equal(await change([1, 0, 1, 1], event('completed', 'transaction.reversed')), 'credit');
  assert.equal(await change([1, 0, 1, 1], event('failed', 'transaction.reversed')), 'claw_back');
  assert.equal(await change([1, 1, 1, 0], event('failed')), null, 'was never credited');
  assert.equal(await change([1, 0, 0], event('completed')), null, 'an older event');
  assert.equal(await change([0], event('completed')), null, 'a repeat');
  const { statements } = await recorded([], event('completed', 'transaction.overdue'));
  assert.deepEqual(statements, [], 'no money in it');
});

test('record writes placeholders of PostgreSQL, and as many values', async () => {
  for (const [placeholder, pattern] of [['?', /\?/g], ['$', /\$\d/g]]) {
    const { statements } = await recorded([1, 1, 1, 1], event('completed'), { placeholder });
    assert.equal(statements.length, 4);
    for (const { sql, values } of statements) assert.equal(sql.match(pattern).length, values.length, sql);
  }
  const { statements } = await recorded([1, 1, 1, 1], event('completed'), { placeholder: '$' });
  assert.ok(statements[2].sql.endsWith('SET sequence = $1 WHERE merchant_transaction_id = $2 AND sequence < $3'));
});

test('a run that does not tell what it changed is a mistake', async () => {
  await assert.rejects(recorded([], event('completed')), TypeError);
});
