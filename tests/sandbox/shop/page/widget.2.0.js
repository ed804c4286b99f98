'use strict';

// A stand-in for Proof's widget.2.0.js, written for the sandbox: the documented call, and buttons that decide the end.
(() => {
  const style = `
    dialog { width: min(24rem, calc(100vw - 2rem)); padding: 0; border: 0; border-radius: 20px; overflow: hidden; color: #14161f; background: #fff;
             font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; box-shadow: 0 30px 80px -20px #000a; }
    dialog::backdrop { background: #0b1014a6; backdrop-filter: blur(3px); }
    header { display: flex; align-items: center; padding: 1rem 1.4rem; background: #312e81; color: #fff; font-weight: 650; }
    header span { margin-left: auto; font-size: .78rem; font-weight: 500; opacity: .85; }
    section { padding: 1.4rem; }
    .sum { margin: 0; font-size: 1.9rem; font-weight: 680; line-height: 1.2; }
    .to { margin: .2rem 0 1.2rem; color: #5b6078; font-size: .86rem; overflow-wrap: anywhere; }
    button { width: 100%; margin-top: .55rem; padding: .75rem; border: 1px solid #d8d9e6; border-radius: 12px; background: none; color: inherit; font: inherit; font-weight: 600; cursor: pointer; }
    button:focus-visible { outline: 3px solid #818cf8; outline-offset: 1px; }
    .pay { border: 0; background: #4338ca; color: #fff; }
    button:disabled { opacity: .55; cursor: progress; }
    .say { min-height: 1.5rem; margin: .9rem 0 0; color: #5b6078; font-size: .9rem; }
    @media (prefers-color-scheme: dark) { dialog { background: #191a2a; color: #ecedf8; } .to, .say { color: #a5a8c3; } button { border-color: #383a55; } }`;

  async function call(action, credential) {
    const reply = await fetch(`/widget-host/${action}`, { method: 'POST', headers: { Authorization: `Bearer ${credential}` } });
    const body = await reply.json();
    if (!reply.ok) throw new Error(body.error);
    return body;
  }

  function element(name, text, class_name) {
    const made = document.createElement(name);
    made.textContent = text;
    if (class_name) made.className = class_name;
    return made;
  }

  async function run(options) {
    const frame = document.createElement('div');
    frame.id = 'proof-widget';
    const root = frame.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    root.adoptedStyleSheets = [sheet];
    const dialog = document.createElement('dialog');
    dialog.setAttribute('aria-label', 'Payment');
    const header = element('header', 'Proof');
    header.append(element('span', 'sandbox, play money'));
    const section = document.createElement('section');
    const sells = options.type === 'sell';
    const say = element('p', 'Opening…', 'say');
    say.setAttribute('role', 'status');
    section.append(element('p', `${options.fiatAmount} ${options.fiatCurrency}`, 'sum'),
      element('p', sells ? `for ${options.currency} sent to ${options.address}` : `for ${options.currency} to ${options.address}`, 'to'));
    dialog.append(header, section);
    root.append(dialog);
    options.host.append(frame);
    const close = () => { dialog.close(); frame.remove(); };
    dialog.addEventListener('cancel', (event) => event.preventDefault());
    dialog.showModal();
    options.onLoad?.();

    let key = '';
    const buttons = [['pay', sells ? 'I have sent the deposit' : 'Pay now'], ['fail', sells ? 'Let the deposit fail' : 'Let the payment fail'], ['cancel', 'Cancel']].map(([action, text]) => {
      const button = element('button', text, action);
      button.type = 'button';
      button.disabled = true;
      button.addEventListener('click', async () => {
        for (const one of buttons) one.disabled = true;
        try {
          const { status } = await call(action, key);
          options.onStatusChange?.(status);
          if (action === 'pay') options.onPaymentFinished?.();
          close();
        } catch (problem) {
          say.textContent = `That did not work (${problem.message}).`;
        }
      });
      return button;
    });
    section.append(...buttons, say);
    try {
      ({ key } = await call('open', options.initToken));
      for (const one of buttons) one.disabled = false;
      say.textContent = 'Choose how this payment ends.';
      options.onReady?.();
    } catch (problem) {
      say.textContent = `This payment cannot be opened (${problem.message}).`;
    }
  }

  window.proofWidget = { run };
})();
