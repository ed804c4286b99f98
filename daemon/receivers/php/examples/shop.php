<?php
// The shop's side: its table of credits, and what it does with an event. PDO's SQLite is Debian's php-sqlite3.
declare(strict_types=1);

use Prooftrackd\Receiver\Event;
use Prooftrackd\Receiver\Ledger;

/** One database transaction: the event is noted, and the customer credited, or neither. */
function credit(Event $event): void
{
    $database = open_database();
    $database->beginTransaction(); // whatever ends the request before the commit rolls back
    $id = $event->data['merchant_transaction_id'] ?? null;
    switch (Ledger::record($database, $event)) {
        case Ledger::CREDIT:
            $proof = $event->data['proof'] ?? [];
            $database->prepare(
                'INSERT INTO credits (merchant_transaction_id, credited, amount, currency) VALUES (?, 1, ?, ?)
                 ON CONFLICT (merchant_transaction_id) DO UPDATE
                 SET credited = 1, amount = excluded.amount, currency = excluded.currency'
            )->execute([$id, $proof['fiat_amount'] ?? null, $proof['fiat_currency'] ?? null]);
            break;
        case Ledger::CLAW_BACK:
            $database->prepare('UPDATE credits SET credited = 0 WHERE merchant_transaction_id = ?')->execute([$id]);
            break;
    }
    $database->commit();
}

function open_database(): PDO
{
    $database = new PDO('sqlite:' . getenv('SHOP_DATABASE'), null, null, [PDO::ATTR_TIMEOUT => 5]);
    $database->exec(file_get_contents(__DIR__ . '/../schema.sql'));
    $database->exec('CREATE TABLE IF NOT EXISTS credits (merchant_transaction_id TEXT PRIMARY KEY,
                                                         credited INTEGER NOT NULL, amount TEXT, currency TEXT)');
    return $database;
}
