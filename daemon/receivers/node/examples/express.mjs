// prooftrackd's webhooks with Express 4 or 5.
//   WEBHOOK_SECRET_FILE=webhook_secret SHOP_DATABASE=shop.db PORT=8080 node express.mjs
import express from 'express';
import { Receiver } from 'prooftrackd-receiver';
import { createTables, credit } from './shop.mjs';

const receiver = new Receiver(process.env.WEBHOOK_SECRET_FILE);
await createTables();
const app = express();
app.post('/hooks/proof', receiver.handler(credit)); // before express.json(): the signature is over the bytes that came
app.use(express.json());
app.listen(Number(process.env.PORT), '127.0.0.1');
