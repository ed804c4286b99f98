// The usual way: a loop of fetch and a timer for each transaction. Prints requests, failures and seconds as JSON.
//   NODE_EXTRA_CA_CERTS=CA_FILE node fetch_loop.mjs PORT CA_FILE TRANSACTIONS SECONDS
const [port, , transactions, seconds] = process.argv.slice(2).map(Number);
const start = performance.now();
const until = start + seconds * 1000;
let requests = 0;
let failures = 0;

async function poll(id) {
  while (performance.now() < until) {
    try {
      const reply = await fetch(`https://localhost:${port}/widget/transactions/${id}`,
        { headers: { Authorization: 'Bearer bench' } });
      const transaction = await reply.json();
      if (transaction.merchant_transaction_id !== id || !transaction.status) throw new Error('another reply');
      requests += 1;
    } catch {
      failures += 1; // on a crowded machine fetch gives up connecting; such a loop goes on
    }
    await new Promise((resolve) => setTimeout(resolve, 1)); // the shortest interval: the loop is kept busy
  }
}

const ids = Array.from({ length: transactions }, (_, n) => `550e8400-e29b-41d4-a716-${String(n).padStart(12, '0')}`);
await Promise.all(ids.map(poll));
process.stdout.write(JSON.stringify({ requests, failures, seconds: (performance.now() - start) / 1000 }));
process.exit(0);
