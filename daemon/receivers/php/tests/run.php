<?php
// php tests/run.php: prints what failed and exits 1 then.
declare(strict_types=1);

use Prooftrackd\Receiver\Event;
use Prooftrackd\Receiver\Ledger;
use Prooftrackd\Receiver\Receiver;
use Prooftrackd\Receiver\Webhook;
use Prooftrackd\Receiver\WebhookError;

require __DIR__ . '/../autoload.php';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const AT = '2026-04-01T10:03:47.031Z';
const SEQUENCE = 1775037827031;
const NOW = 1775037887;
$other = 'whsec_' . base64_encode(str_repeat("\0", 32));
$keys = Webhook::readKeys(SECRET);
$checks = 0;
$failures = 0;

function check(bool $holds, string $what): void
{
    global $checks, $failures;
    $checks += 1;
    if (!$holds) {
        $failures += 1;
        fwrite(STDERR, "failed: $what\n");
    }
}

function signature(string $secret, string $id, string $stamp, string $body): string
{
    $key = base64_decode(substr($secret, 6), true);
    return 'v1,' . base64_encode(hash_hmac('sha256', "$id.$stamp.$body", $key, true));
}

/** @return array{array<string, string>, string} */
function make(array $members = [], int $stamp = NOW, array $by = [SECRET]): array
{
    $event = $members + ['id' => 'evt_1', 'type' => 'transaction.completed', 'timestamp' => AT,
        'data' => ['merchant_transaction_id' => 'order-1', 'status' => 'completed', 'proof' => null]];
    $body = json_encode($event, JSON_THROW_ON_ERROR);
    $signatures = array_map(fn ($one) => signature($one, 'evt_1', (string) $stamp, $body), $by);
    return [['webhook-id' => 'evt_1', 'webhook-timestamp' => (string) $stamp,
             'webhook-sequence' => (string) SEQUENCE, 'webhook-signature' => implode(' ', $signatures)], $body];
}

/** 200, or the status of the refusal. */
function answer(array $keys, array $headers, string $body, int $now = NOW): int
{
    try {
        Webhook::verify($keys, fn (string $name): ?string => $headers[$name] ?? null, $body, $now);
        return 200;
    } catch (WebhookError $error) {
        return $error->status;
    }
}

// The vector that Standard Webhooks publishes is genuine, and no event.
$vector = ['webhook-id' => 'msg_p5jXN8AQM9LWM0D4loKWxJek', 'webhook-timestamp' => '1614265330',
           'webhook-signature' => 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='];
check(answer($keys, $vector, '{"test": 2432232314}', 1614265330) === 400, 'the published vector');
check(answer(Webhook::readKeys($other), $vector, '{"test": 2432232314}', 1614265330) === 401, 'another key');

// Signatures.
[$headers, $body] = make();
check(answer($keys, $headers, $body) === 200, 'a genuine request');
check(answer($keys, $headers, str_replace('order-1', 'order-2', $body)) === 401, 'an altered body');
check(answer($keys, ['webhook-id' => 'evt_2'] + $headers, $body) === 401, 'an altered id');
check(answer($keys, [], $body) === 401, 'no headers');
foreach (['webhook-id', 'webhook-timestamp', 'webhook-signature'] as $name) {
    check(answer($keys, [$name => ''] + $headers, $body) === 401, "an empty $name");
}
check(answer($keys, ...make(by: [$other])) === 401, 'signed by another');
check(answer($keys, ...make(by: [$other, SECRET])) === 200, 'the second signature is ours');
check(answer(Webhook::readKeys("$other\r\n" . SECRET . "\n"), $headers, $body) === 200, 'the second key is theirs');
foreach ([300 => 200, -300 => 200, 301 => 401, -301 => 401] as $seconds => $status) {
    check(answer($keys, $headers, $body, NOW + $seconds) === $status, "$seconds seconds off");
}
foreach (['', (string) (SEQUENCE - 1), SEQUENCE . '.0', ' ' . SEQUENCE] as $sequence) {
    check(answer($keys, ['webhook-sequence' => $sequence] + $headers, $body) === 400, "sequence '$sequence'");
}
$bare = $headers;
unset($bare['webhook-sequence']);
check(answer($keys, $bare, $body) === 400, 'no sequence');

// Signed bodies that are no events.
foreach ([['id' => 7], ['type' => ''], ['timestamp' => 'soon'], ['timestamp' => AT . ' '], ['data' => null],
          ['data' => ['status' => 'completed']], ['data' => ['merchant_transaction_id' => 'order-1']]] as $members) {
    check(answer($keys, ...make($members)) === 400, json_encode($members));
}
check(answer($keys, ...make(['type' => 'callback.test', 'data' => new stdClass()])) === 200, 'callback.test');

// Secret files.
$short = 'whsec_' . base64_encode(str_repeat('x', 23));
foreach (['', "\n", SECRET . "\n\n" . SECRET, 'whsec_', SECRET . "\nwhsec_!!", substr(SECRET, 6), $short] as $text) {
    try {
        Webhook::readKeys($text);
        check(false, 'a secret file of ' . json_encode($text));
    } catch (RuntimeException $error) {
        check(str_contains($error->getMessage(), 'secret file'), 'its message');
    }
}

// The answers of receive().
$file = tempnam(sys_get_temp_dir(), 'secret');
file_put_contents($file, SECRET . "\n");
$said = [];
$handled = [];
$receiver = new Receiver($file, function (string $line) use (&$said): void { $said[] = $line; });
[$headers, $body] = make([], time());
$header = fn (string $name): ?string => $headers[$name] ?? null;
$take = function (Event $event) use (&$handled): void { $handled[] = $event->id; };
check($receiver->receive($header, $body, $take) === 204 && $handled === ['evt_1'] && $said === [], '204');
$fail = fn (Event $event) => throw new Error('no database');
check($receiver->receive($header, $body, $fail) === 500, 'a failed handler');
check(str_contains($said[0] ?? '', 'no database'), 'the reason is logged');
check($receiver->receive(fn () => null, $body, $take) === 401, 'unsigned');
check($receiver->receive($header, str_repeat('x', Receiver::LARGEST_BODY), $take) === 401, 'the largest body');
check($receiver->receive($header, str_repeat('x', Receiver::LARGEST_BODY + 1), $take) === 413, 'a larger one');
file_put_contents($file, "\n");
check($receiver->receive($header, $body, $take) === 500, 'a bad secret file lets nobody in');
unlink($file);
check($receiver->receive($header, $body, $take) === 500, 'nor does a missing one');
check(count($handled) === 1, 'one event was handled');

// The ledger.
if (!in_array('sqlite', PDO::getAvailableDrivers(), true)) {
    fwrite(STDERR, "the ledger was not tested: PDO's SQLite is needed (Debian: php-sqlite3)\n");
    exit($failures ? 1 : 77);
}
$database = new PDO('sqlite::memory:');
$database->exec(file_get_contents(__DIR__ . '/../schema.sql'));
$event = fn (string $id, string $status, int $sequence, ?string $type = null): Event => new Event(
    $id, $type ?? "transaction.$status", AT, $sequence, ['merchant_transaction_id' => 'order-1', 'status' => $status]
);
function record(PDO $database, Event $event): ?string
{
    $database->beginTransaction();
    $change = Ledger::record($database, $event);
    $database->commit();
    return $change;
}
$database->beginTransaction();
check(Ledger::record($database, $event('evt_1', 'completed', 10)) === 'credit', 'a credit');
$database->rollBack();
check(record($database, $event('evt_1', 'completed', 10)) === 'credit', 'what was rolled back was not recorded');
foreach ([
    ['evt_1', 'completed', 10, null, null], // a repeat
    ['evt_1b', 'completed', 10, null, null], // not newer
    ['evt_2', 'completed', 11, null, null], // the same outcome, from a restored backup
    ['evt_3', 'failed', 30, 'transaction.reversed', 'claw_back'],
    ['evt_4', 'completed', 29, null, null], // older
    ['evt_5', 'cancelled', 31, null, null], // nothing to claw back
    ['evt_6', 'completed', 32, 'transaction.reversed', 'credit'],
    ['evt_7', 'failed', 33, 'transaction.overdue', null],
    ['evt_8', 'failed', 34, 'transaction.shiny', null],
] as [$id, $status, $sequence, $type, $wanted]) {
    check(record($database, $event($id, $status, $sequence, $type)) === $wanted, "$id: " . ($wanted ?? 'nothing'));
}
check((int) $database->query('SELECT count(*) FROM proof_events')->fetchColumn() === 7, 'rows of events with money');
try {
    Ledger::record($database, $event('evt_9', 'completed', 40));
    check(false, 'outside of a transaction');
} catch (LogicException) {
    check(true, 'outside of a transaction');
}

echo "$checks checks, $failures failed\n";
exit($failures ? 1 : 0);
