<?php
declare(strict_types=1);

namespace Prooftrackd\Receiver;

/** The signature of a request. */
final class Webhook
{
    /** Seconds that a request may be old, or ahead of our clock. */
    private const WINDOW = 300;

    /**
     * The keys in a secret file: one whsec_… a line, the newest first. Anything else is an error: a blank line would be
     * an empty key, with which anybody can sign.
     *
     * @return list<string>
     */
    public static function readKeys(string $text): array
    {
        return array_map(function (string $line): string {
            $secret = trim($line);
            $key = base64_decode(substr($secret, strlen('whsec_')), true);
            if (!str_starts_with($secret, 'whsec_') || $key === false || strlen($key) < 24) {
                throw new \RuntimeException('the secret file holds a line that is no whsec_… of 24 bytes');
            }
            return $key;
        }, explode("\n", trim($text)));
    }

    /**
     * The event in a genuine request.
     *
     * @param callable(string): ?string $header the value of a header, by its lower-case name
     * @param string $body the bytes as they came
     * @param ?int $now in seconds since 1970
     * @throws WebhookError
     */
    public static function verify(array $keys, callable $header, string $body, ?int $now = null): Event
    {
        if (!self::isGenuine($keys, $header, $body, $now ?? time())) {
            throw new WebhookError(401, 'the signature is not ours');
        }
        $event = Event::parse($body);
        if ($header('webhook-sequence') !== (string) $event->sequence) {
            // The header is not signed: somebody may have changed it on its way.
            throw new WebhookError(400, 'webhook-sequence is not that of the body');
        }
        return $event;
    }

    /** Standard Webhooks: any of our keys may have made any of the signatures, so secrets can be rotated. */
    private static function isGenuine(array $keys, callable $header, string $body, int $now): bool
    {
        $id = $header('webhook-id') ?? '';
        $stamp = $header('webhook-timestamp') ?? '';
        if (!preg_match('/^\d{1,12}$/D', $stamp) || abs($now - (int) $stamp) > self::WINDOW) {
            return false; // too old: somebody may have recorded the request and be sending it again
        }
        foreach ($keys as $key) {
            $wanted = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$stamp.$body", $key, true));
            foreach (explode(' ', $header('webhook-signature') ?? '') as $given) {
                if (hash_equals($wanted, $given)) {
                    return true;
                }
            }
        }
        return false;
    }
}
