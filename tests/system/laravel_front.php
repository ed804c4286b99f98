<?php
// Serves the example controller with Laravel's own router, request, container and database (Debian's php-illuminate-*),
// wired as a Laravel application is.
//   WEBHOOK_SECRET_FILE=… SHOP_DATABASE=… RECEIVER=daemon/receivers/php php -S 127.0.0.1:8080 laravel_front.php
declare(strict_types=1);

use App\Http\Controllers\ProofWebhookController;
use Illuminate\Container\Container;
use Illuminate\Database\Capsule\Manager as Capsule;
use Illuminate\Events\Dispatcher;
use Illuminate\Http\Request;
use Illuminate\Routing\Router;
use Illuminate\Support\Facades\Facade;
use Prooftrackd\Receiver\Receiver;

foreach (['Container', 'Database', 'Events', 'Http', 'Routing', 'Support'] as $part) {
    require_once "/usr/share/php/Illuminate/$part/autoload.php";
}
$package = getenv('RECEIVER');
require_once "$package/autoload.php";
require_once "$package/examples/laravel/ProofWebhookController.php";

$app = new Container();
Container::setInstance($app);
$capsule = new Capsule($app);
touch(getenv('SHOP_DATABASE')); // Laravel makes no database file by itself
$capsule->addConnection(['driver' => 'sqlite', 'database' => getenv('SHOP_DATABASE')]);
$app->instance('db', $capsule->getDatabaseManager());
Facade::setFacadeApplication($app);
$pdo = $capsule->getConnection()->getPdo();
$pdo->exec(file_get_contents("$package/schema.sql")); // a migration in Laravel
$pdo->exec('CREATE TABLE IF NOT EXISTS credits (merchant_transaction_id TEXT PRIMARY KEY, credited INTEGER NOT NULL,
                                                amount TEXT, currency TEXT)');

$app->singleton(Receiver::class, fn () => new Receiver((string) getenv('WEBHOOK_SECRET_FILE')));
$router = new Router(new Dispatcher($app), $app);
$router->post('/hooks/proof', ProofWebhookController::class);
$request = Request::capture();
$app->instance(Request::class, $request);
$router->dispatch($request)->send();
