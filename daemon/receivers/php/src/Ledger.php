<?php
declare(strict_types=1);

namespace Prooftrackd\Receiver;

/** The two tables of schema.sql. */
final class Ledger
{
    public const CREDIT = 'credit';
    public const CLAW_BACK = 'claw_back';

    /**
     * Notes the event in proof_events and proof_payments, and returns what to do with the payment, in the same database
     * transaction: CREDIT it, CLAW_BACK an earlier credit, or null: nothing (a repeat, an older event, no change).
     *
     * The transaction is yours, and begun: PDO::beginTransaction(), or Laravel's DB::transaction(). The first statement
     * writes, so a transaction of SQLite waits for the others instead of failing. When two repeats arrive at once, a
     * unique key refuses one of them: PDO throws, you roll back and answer 500, and prooftrackd sends it again.
     */
    public static function record(\PDO $database, Event $event): ?string
    {
        if (!in_array($event->type, Event::FINAL_TYPES, true)) {
            return null; // a type that we do not know, or that moves no money
        }
        if (!$database->inTransaction()) {
            throw new \LogicException('begin a transaction first: the note and the credit belong into one');
        }
        $payment = $event->data['merchant_transaction_id'];
        $credited = $event->data['status'] === 'completed' ? 1 : 0;
        $is_new = self::change(
            $database,
            'INSERT INTO proof_events (event_id)
             SELECT ? WHERE NOT EXISTS (SELECT 1 FROM proof_events WHERE event_id = ?)',
            [$event->id, $event->id]
        );
        if (!$is_new) {
            return null; // a repeat
        }
        self::change(
            $database,
            'INSERT INTO proof_payments (merchant_transaction_id, credited, sequence)
             SELECT ?, 0, -1 WHERE NOT EXISTS (SELECT 1 FROM proof_payments WHERE merchant_transaction_id = ?)',
            [$payment, $payment]
        );
        $is_newer = self::change(
            $database,
            'UPDATE proof_payments SET sequence = ? WHERE merchant_transaction_id = ? AND sequence < ?',
            [$event->sequence, $payment, $event->sequence]
        );
        $is_change = $is_newer && self::change( // not newer: a dead delivery that was sent again by hand
            $database,
            'UPDATE proof_payments SET credited = ? WHERE merchant_transaction_id = ? AND credited <> ?',
            [$credited, $payment, $credited]
        );
        return $is_change ? ($credited ? self::CREDIT : self::CLAW_BACK) : null;
    }

    private static function change(\PDO $database, string $sql, array $values): bool
    {
        $statement = $database->prepare($sql);
        if ($statement === false) {
            throw new \RuntimeException('set PDO::ATTR_ERRMODE to PDO::ERRMODE_EXCEPTION');
        }
        foreach ($values as $at => $value) {
            $statement->bindValue($at + 1, $value, is_int($value) ? \PDO::PARAM_INT : \PDO::PARAM_STR);
        }
        if (!$statement->execute()) {
            throw new \RuntimeException('the database refused: ' . $statement->errorInfo()[2]);
        }
        return $statement->rowCount() > 0;
    }
}
