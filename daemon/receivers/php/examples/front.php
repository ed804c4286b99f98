<?php
// prooftrackd's webhooks with PHP alone: a front controller.
//   WEBHOOK_SECRET_FILE=webhook_secret SHOP_DATABASE=shop.db php -S 127.0.0.1:8080 front.php
declare(strict_types=1);

require __DIR__ . '/../autoload.php'; // with Composer: vendor/autoload.php
require __DIR__ . '/shop.php';

(new Prooftrackd\Receiver\Receiver((string) getenv('WEBHOOK_SECRET_FILE')))->serve(credit(...));
