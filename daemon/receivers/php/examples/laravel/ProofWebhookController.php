<?php
// prooftrackd's webhooks with Laravel 8 or newer: app/Http/Controllers/ProofWebhookController.php
//
// routes/api.php (not web.php, which asks for a CSRF token):
//   Route::post('/hooks/proof', ProofWebhookController::class);
// app/Providers/AppServiceProvider.php, in register():
//   $this->app->singleton(Receiver::class, fn () => new Receiver(config('services.prooftrackd.secret_file')));
declare(strict_types=1);

namespace App\Http\Controllers;

use Illuminate\Http\Request;
use Illuminate\Http\Response;
use Illuminate\Support\Facades\DB;
use Prooftrackd\Receiver\Event;
use Prooftrackd\Receiver\Ledger;
use Prooftrackd\Receiver\Receiver;

final class ProofWebhookController
{
    public function __construct(private readonly Receiver $receiver)
    {
    }

    public function __invoke(Request $request): Response
    {
        $status = $this->receiver->receive(
            fn (string $name): ?string => $request->header($name),
            $request->getContent(), // the bytes that came, not $request->all()
            fn (Event $event) => DB::transaction(fn () => $this->credit($event)),
        );
        return new Response('', $status);
    }

    /** In one database transaction: the event is noted, and the customer credited, or neither. */
    private function credit(Event $event): void
    {
        $change = Ledger::record(DB::connection()->getPdo(), $event);
        $payment = ['merchant_transaction_id' => $event->data['merchant_transaction_id'] ?? null];
        if ($change === Ledger::CREDIT) {
            $proof = $event->data['proof'] ?? [];
            DB::table('credits')->updateOrInsert($payment, [
                'credited' => 1,
                'amount' => $proof['fiat_amount'] ?? null,
                'currency' => $proof['fiat_currency'] ?? null,
            ]);
        } elseif ($change === Ledger::CLAW_BACK) {
            DB::table('credits')->where($payment)->update(['credited' => 0]);
        }
    }
}
