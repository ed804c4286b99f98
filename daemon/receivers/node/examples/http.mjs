// prooftrackd's webhooks with Node alone.
//   WEBHOOK_SECRET_FILE=webhook_secret SHOP_DATABASE=shop.db PORT=8080 node http.mjs
import { createServer } from 'node:http';
import { Receiver } from 'prooftrackd-receiver';
import { createTables, credit } from './shop.mjs';

const receiver = new Receiver(process.env.WEBHOOK_SECRET_FILE);
await createTables();
createServer(receiver.handler(credit)).listen(Number(process.env.PORT), '127.0.0.1');
