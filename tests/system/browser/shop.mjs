// Drives the example shop in chromium: one case a run. `node shop.mjs CASE SHOP_URL PACKAGES SCREENSHOTS` prints what
// it saw as JSON. A printed question ("daemon down?") asks the test to do something; it answers by a line on stdin.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [, , name, shop, packages, screenshots] = process.argv;
const { chromium } = createRequire(`${packages}/`)('playwright-core');
const patience = 20_000;
const seen = { bodies: [], console: [], states: [] };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-background-networking',
    '--no-proxy-server'],
});

async function open_page(context, address = shop) {
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) seen.console.push(message.text());
  });
  page.on('pageerror', (error) => seen.console.push(String(error)));
  page.on('response', (response) => {
    // An event stream has no end, so its body is what the page shows.
    if (response.headers()['content-type']?.startsWith('text/event-stream')) return;
    seen.bodies.push(JSON.stringify(response.headers()));
    pending.push(response.text().then((text) => seen.bodies.push(text), () => {}));
  });
  await page.goto(address);
  return page;
}
const pending = [];

async function order(page, type, amount) {
  await page.getByText(type, { exact: true }).click();
  await page.getByLabel('Amount').fill(amount);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('Choose how this payment ends.').waitFor();
}

async function shot(page, file) {
  await page.screenshot({ path: `${screenshots}/${file}.png`, animations: 'disabled' });
}

async function state(page, wanted) {
  await page.locator(`#order[data-state=${wanted}]`).waitFor();
  seen.states.push(wanted);
  seen.badge = await page.locator('#badge').innerText();
  seen.order = await page.locator('#order-id').innerText();
  seen.widget = await page.evaluate(() => document.body.dataset.widget ?? null);
}

// While the widget already says "paid", the order must not.
async function believe_nobody(page) {
  await page.waitForFunction(() => document.body.dataset.widget !== undefined);
  seen.when_widget_spoke = await page.locator('#order').getAttribute('data-state');
}

function ask_test(question) {
  const answers = createInterface({ input: process.stdin });
  return new Promise((resolve) => {
    answers.once('line', (line) => { answers.close(); resolve(line); });
    console.log(question);
  });
}

const wide = { viewport: { width: 1180, height: 740 } };
const cases = {
  async buy(context) {
    const page = await open_page(context);
    await shot(page, 'start');
    await order(page, 'Buy', '49.90');
    await page.getByText('Live from our backend').waitFor();
    await shot(page, 'widget');
    await page.locator('#proof-widget .pay').click();
    await believe_nobody(page);
    await page.getByText('We see it, and wait for its end').waitFor();
    await shot(page, 'processing');
    await state(page, 'paid');
    await shot(page, 'paid');
  },
  async sell(context) {
    const page = await open_page(context);
    await order(page, 'Sell', '120');
    await page.locator('#proof-widget .fail').click();
    await believe_nobody(page);
    await state(page, 'failed');
    await shot(page, 'failed');
  },
  async cancel(context) {
    const page = await open_page(context);
    await order(page, 'Buy', '10.5');
    await page.locator('#proof-widget .cancel').click();
    await state(page, 'cancelled');
    await shot(page, 'cancelled');
    await page.getByRole('button', { name: 'New order' }).click();
    await page.getByRole('button', { name: 'Continue' }).waitFor();
  },
  async close(context) {
    const page = await open_page(context);
    await order(page, 'Buy', '75.00');
    const address = page.url();
    await page.locator('#proof-widget .pay').click();
    await believe_nobody(page);
    await page.close();
    await ask_test('ended?'); // nobody looks meanwhile
    const again = await open_page(context, address);
    await state(again, 'paid');
  },
  async restart(context) {
    const page = await open_page(context);
    await order(page, 'Buy', '33.00');
    await ask_test('daemon down?');
    await page.getByText('Reconnecting to our payment records').waitFor();
    await page.locator('#proof-widget .pay').click();
    await shot(page, 'reconnecting');
    await ask_test('daemon up?');
    // The end may come with the first word after the restart, and then nothing is "live" in between.
    await page.locator('#live.on').waitFor();
    await state(page, 'paid');
  },
  async refused(context) {
    const page = await open_page(context);
    for (const amount of ['', '0', '1e3', '12.345', '10001', '-4']) {
      await page.getByLabel('Amount').fill(amount);
      await page.locator('#problem').evaluate((node) => { node.textContent = ''; });
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.getByRole('alert').getByText('Enter an amount').waitFor();
    }
    seen.console = seen.console.filter((line) => !line.includes('400')); // chromium logs each refused request
  },
};
const looks = {
  async look(context, kind) {
    const page = await open_page(context);
    const too_wide = () => page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    seen.overflow = await too_wide();
    await shot(page, `${kind}-start`);
    await order(page, 'Sell', '49.90');
    await shot(page, `${kind}-widget`);
    await page.locator('#proof-widget .pay').click();
    await state(page, 'paid');
    await shot(page, `${kind}-paid`);
    seen.overflow += await too_wide();
    seen.background = await page.locator('.card').first().evaluate((card) => getComputedStyle(card).backgroundColor);
  },
};

let status = 0;
try {
  if (name === 'narrow') {
    await looks.look(await browser.newContext({ viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 }), name);
  } else if (name === 'dark') await looks.look(await browser.newContext({ ...wide, colorScheme: 'dark' }), name);
  else await cases[name](await browser.newContext(wide));
  await Promise.all(pending);
} catch (problem) {
  seen.problem = String(problem.stack ?? problem);
  status = 1;
}
await browser.close();
console.log(JSON.stringify(seen));
process.exit(status);
