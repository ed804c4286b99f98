<?php
declare(strict_types=1);

namespace Prooftrackd\Receiver;

/** A request that is refused: the status is the answer, 400 or 401. */
final class WebhookError extends \RuntimeException
{
    public function __construct(public readonly int $status, string $message, ?\Throwable $previous = null)
    {
        parent::__construct($message, 0, $previous);
    }
}
