<?php
declare(strict_types=1);

namespace Prooftrackd\Receiver;

/**
 * What a route needs. The secret file is read for each request: a rotated secret needs no restart, and a bad file fails
 * each request, so nothing is taken and nothing is lost.
 */
final class Receiver
{
    /** Bytes; prooftrackd sends far less. */
    public const LARGEST_BODY = 1024 * 1024;

    /** @var callable(string): mixed */
    private $log;

    /** @param ?callable(string): mixed $log gets the reason of each refusal and failure; error_log() otherwise */
    public function __construct(private readonly string $secret_file, ?callable $log = null)
    {
        $this->log = $log ?? error_log(...);
    }

    /**
     * The status to answer: 204 when $handle($event) has returned, so after your commit; 400, 401 or 413 for what is
     * refused; 500 for whatever goes wrong here or in $handle. (An uncaught exception would be answered 200 where
     * display_errors is on, and the payment would be lost.) prooftrackd repeats all but 204.
     *
     * @param callable(string): ?string $header the value of a header, by its lower-case name
     * @param string $body the bytes as they came
     * @param callable(Event): mixed $handle
     */
    public function receive(callable $header, string $body, callable $handle): int
    {
        try {
            if (strlen($body) > self::LARGEST_BODY) {
                return 413;
            }
            $text = @file_get_contents($this->secret_file);
            if ($text === false) {
                throw new \RuntimeException('the secret file cannot be read');
            }
            $handle(Webhook::verify(Webhook::readKeys($text), $header, $body));
            return 204;
        } catch (\Throwable $error) {
            ($this->log)("prooftrackd's webhook: {$error->getMessage()}");
            return $error instanceof WebhookError ? $error->status : 500;
        }
    }

    /** Answers the request that PHP is serving, without any framework. */
    public function serve(callable $handle): void
    {
        if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
            http_response_code(405);
            return;
        }
        $header = fn (string $name): ?string => $_SERVER['HTTP_' . strtoupper(strtr($name, '-', '_'))] ?? null;
        $body = file_get_contents('php://input', false, null, 0, self::LARGEST_BODY + 1);
        http_response_code($this->receive($header, $body, $handle));
    }
}
