<?php
declare(strict_types=1);

namespace Prooftrackd\Receiver;

final class Event
{
    public const FINAL_TYPES = [
        'transaction.completed', 'transaction.failed', 'transaction.cancelled', 'transaction.reversed',
    ];

    /** @param int $sequence its place among those of its transaction: milliseconds since 1970, from what is signed */
    public function __construct(
        public readonly string $id,
        public readonly string $type,
        public readonly string $timestamp,
        public readonly int $sequence,
        public readonly array $data,
    ) {
    }

    /** @throws WebhookError 400 when the body is no event */
    public static function parse(string $body): self
    {
        try {
            ['id' => $id, 'type' => $type, 'timestamp' => $timestamp, 'data' => $data]
                = self::members(json_decode($body, true, 512, JSON_THROW_ON_ERROR));
            if (!preg_match('/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/D', $timestamp)) {
                throw new \UnexpectedValueException('a timestamp of another form');
            }
            $sequence = (int) (new \DateTimeImmutable($timestamp))->format('Uv');
            return new self($id, $type, $timestamp, $sequence, $data);
        } catch (\Throwable $error) {
            throw new WebhookError(400, 'the body is no event', $error);
        }
    }

    private static function members(mixed $event): array
    {
        $texts = [$event['id'] ?? '', $event['type'] ?? '', $event['timestamp'] ?? ''];
        if (in_array($event['type'] ?? '', self::FINAL_TYPES, true)) {
            array_push($texts, $event['data']['merchant_transaction_id'] ?? '', $event['data']['status'] ?? '');
        }
        foreach ($texts as $text) {
            if (!is_string($text) || $text === '') {
                throw new \UnexpectedValueException('a member of another kind');
            }
        }
        return $event;
    }
}
