'use strict';

const by_id = (id) => document.getElementById(id);
const words = { waiting: 'Waiting for payment', paid: 'Paid', failed: 'Failed', cancelled: 'Cancelled' };
let stream = null;

// The amount is the customer's own text all the way: a decimal string, never a number.
function show_rate() {
  const amount = by_id('amount').value.trim();
  by_id('rate').textContent = `about ${amount || '0'} USDT, TRC20 network`;
}

function show_order(order) {
  by_id('order-form').hidden = true;
  by_id('order').hidden = false;
  by_id('order').dataset.state = order.state;
  by_id('order-id').textContent = order.order;
  by_id('order-amount').textContent = order.amount;
  const sells = order.type === 'sell';
  by_id('order-kind').textContent = sells ? 'for your USDT' : 'in USDT for you';
  const moving = order.status === 'processing';
  const over = order.state !== 'waiting';
  const badge = order.state === 'paid' && sells ? 'Paid out' : moving && !over ? 'Processing' : words[order.state] ?? order.state;
  if (by_id('badge').textContent !== badge) by_id('badge').textContent = badge;
  by_id('processing-title').textContent = sells ? 'Deposit in progress' : 'Payment in progress';
  by_id('processing-text').textContent = order.state === 'cancelled' ? 'Never begun' : over ? 'Seen by our backend' : moving ? 'We see it, and wait for its end' : 'Waiting for you in the payment window';
  by_id('end-title').textContent = over ? badge : sells ? 'Paid out' : 'Paid';
  by_id('end-text').textContent = !over || order.state === 'paid' ? 'Confirmed by our payment records' : sells ? 'Nothing was paid out' : 'Nothing was paid';
  by_id('step-created').className = 'done';
  by_id('step-processing').className = over ? (order.state === 'cancelled' ? '' : 'done') : 'now';
  by_id('step-end').className = !over ? '' : order.state === 'paid' ? 'done' : 'now bad';
  by_id('live').textContent = over ? 'This is final' : order.live ? 'Live from our backend' : 'Reconnecting to our payment records…';
  by_id('live').classList.toggle('on', order.live || over);
  by_id('again').hidden = !over;
}

// The one source of what this page says about an order. The browser reconnects by itself when the stream breaks.
function follow(order) {
  stream?.close();
  stream = new EventSource(`/api/orders/${order}/events`);
  stream.onmessage = (message) => show_order(JSON.parse(message.data));
}

async function place_order(event) {
  event.preventDefault();
  const button = by_id('continue');
  const form = new FormData(by_id('order-form'));
  button.disabled = true;
  by_id('problem').textContent = '';
  try {
    const reply = await fetch('/api/orders', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ type: form.get('type'), amount: form.get('amount').trim() }),
    });
    const made = await reply.json();
    if (!reply.ok) throw new Error(made.error);
    location.hash = made.order;
    follow(made.order);
    open_widget(made.widget);
  } catch (problem) {
    by_id('problem').textContent = problem instanceof TypeError ? 'We cannot be reached. Please try again.' : problem.message;
  } finally {
    button.disabled = false;
  }
}

function open_widget(session) {
  window.proofWidget.run({
    widgetId: session.widget_id,
    host: document.body,
    address: session.address,
    signature: session.signature,
    initToken: session.init_token,
    initTokenType: session.init_token_type,
    currency: session.currency,
    fiatCurrency: session.fiat_currency,
    fiatAmount: session.fiat_amount,
    merchantTransactionId: session.merchant_transaction_id,
    type: session.type,
    // The widget's word is good for nothing but curiosity: the order turns by the backend's stream alone.
    onStatusChange: (status) => { document.body.dataset.widget = status; },
  });
}

by_id('amount').addEventListener('input', show_rate);
by_id('order-form').addEventListener('submit', place_order);
by_id('again').addEventListener('click', () => { location.assign('/'); });
if (/^#ord_[0-9a-f]+$/.test(location.hash)) follow(location.hash.slice(1));
