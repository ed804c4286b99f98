<?php
// Takes prooftrackd's webhooks and credits each completed transaction exactly once.
// PHP 8 with PDO's SQLite (Debian: php-sqlite3).
//
//   WEBHOOK_SECRET_FILE=webhook_secret SHOP_DATABASE=shop.db php -S 127.0.0.1:8080 receiver.php
declare(strict_types=1);

const LARGEST_BODY = 1024 * 1024;

/**
 * One whsec_… a line, the newest first. Anything else is an error: a blank line would be an empty key, with which
 * anybody can sign.
 */
function read_keys(string $secret_file): array
{
    return array_map(function (string $line): string {
        $secret = trim($line);
        $key = base64_decode(substr($secret, strlen('whsec_')), true);
        if (!str_starts_with($secret, 'whsec_') || $key === false || strlen($key) < 24) {
            throw new RuntimeException('the secret file holds a line that is no whsec_… of 24 bytes');
        }
        return $key;
    }, explode("\n", trim($secret_file)));
}

/** Standard Webhooks: any of our keys may have made any of the signatures, so secrets can be rotated. */
function is_genuine(string $id, string $stamp, string $signatures, string $body, array $keys): bool
{
    if (!preg_match('/^\d{1,12}$/D', $stamp) || abs(time() - (int) $stamp) > 300) {
        return false; // too old: somebody may have recorded the request and be sending it again
    }
    foreach ($keys as $key) {
        $wanted = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$stamp.$body", $key, true));
        foreach (explode(' ', $signatures) as $given) {
            if (hash_equals($wanted, $given)) {
                return true;
            }
        }
    }
    return false;
}

const FINAL_TYPES = ['transaction.completed', 'transaction.failed', 'transaction.cancelled', 'transaction.reversed'];

/** The event's place among those of its transaction: milliseconds since 1970, from what is signed. */
function sequence_of(array $event): int
{
    return (int) (new DateTimeImmutable($event['timestamp']))->format('Uv');
}

/**
 * One database transaction: the event's id, and the one credit that a payment can have. What does not come after the
 * last one, by its sequence, changes nothing.
 */
function handle(PDO $database, array $event): void
{
    if (!in_array($event['type'], FINAL_TYPES, true)) {
        return; // a type that we do not know, or that moves no money
    }
    $data = $event['data'];
    $database->exec('BEGIN IMMEDIATE'); // whatever ends the request before the COMMIT rolls back
    $seen = $database->prepare('INSERT OR IGNORE INTO handled_events (event_id) VALUES (?)');
    $seen->execute([$event['id']]);
    if ($seen->rowCount() === 0) {
        return; // a repeat
    }
    $database->prepare(
        'INSERT INTO credits (merchant_transaction_id, credited, amount, currency, sequence) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (merchant_transaction_id) DO UPDATE
         SET credited = excluded.credited, amount = excluded.amount, currency = excluded.currency,
             sequence = excluded.sequence
         WHERE excluded.sequence > credits.sequence'
    )->execute([$data['merchant_transaction_id'], (int) ($data['status'] === 'completed'),
                $data['proof']['fiat_amount'] ?? null, $data['proof']['fiat_currency'] ?? null,
                sequence_of($event)]);
    $database->exec('COMMIT');
}

function open_database(): PDO
{
    $database = new PDO('sqlite:' . getenv('SHOP_DATABASE'));
    $database->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
    $database->exec('PRAGMA busy_timeout = 5000');
    $database->exec('CREATE TABLE IF NOT EXISTS handled_events (event_id TEXT PRIMARY KEY)');
    $database->exec('CREATE TABLE IF NOT EXISTS credits (merchant_transaction_id TEXT PRIMARY KEY,
                                                         credited INTEGER NOT NULL, amount TEXT, currency TEXT,
                                                         sequence INTEGER NOT NULL)');
    return $database;
}

function receive(): int
{
    if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
        return 405;
    }
    $body = file_get_contents('php://input', false, null, 0, LARGEST_BODY + 1);
    if (strlen($body) > LARGEST_BODY) {
        return 413;
    }
    // Read each time: a rotated secret needs no restart.
    $secret_file = file_get_contents(getenv('WEBHOOK_SECRET_FILE'));
    if ($secret_file === false) {
        throw new RuntimeException('the secret file cannot be read');
    }
    $keys = read_keys($secret_file); // a bad file fails each request: nothing is taken, nothing is lost
    $header = fn (string $name): string => $_SERVER["HTTP_WEBHOOK_$name"] ?? '';
    [$id, $stamp, $signatures, $sequence] = array_map($header, ['ID', 'TIMESTAMP', 'SIGNATURE', 'SEQUENCE']);
    if (!is_genuine($id, $stamp, $signatures, $body, $keys)) {
        return 401;
    }
    $event = json_decode($body, true, 512, JSON_THROW_ON_ERROR);
    if ($sequence !== (string) sequence_of($event)) {
        return 400; // the header is not signed: somebody changed it on its way
    }
    handle(open_database(), $event);
    return 204; // only now: the credit is committed
}

try {
    http_response_code(receive());
} catch (Throwable $error) {
    error_log($error->getMessage());
    http_response_code(500); // prooftrackd comes again
}
