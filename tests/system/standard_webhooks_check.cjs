// Checks deliveries with the npm package `standardwebhooks`: a second opinion on our
// signatures, by people who are not us.
//   node standard_webhooks_check.cjs NODE_MODULES_PARENT < [{"secret", "headers", "body" (base64)}, …]
// Prints one line each: the event's id when the package accepts the delivery, or "refused: " and its reason.
const { createRequire } = require('node:module');
const { readFileSync } = require('node:fs');
const { Webhook } = createRequire(`${process.argv[2]}/`)('standardwebhooks');

for (const { secret, headers, body } of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    console.log(new Webhook(secret).verify(Buffer.from(body, 'base64').toString('utf8'), headers).id);
  } catch (error) {
    console.log(`refused: ${error.message}`);
  }
}
