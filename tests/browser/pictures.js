// Takes the README’s screenshots: node pictures.js URL FOLDER. `bin/pictures` runs it.
import { chromium } from '@playwright/test';
import { logIn } from './people.js';
import { launchOptions } from './playwright.config.js';

const [url, folder] = process.argv.slice(2);
const phone = { width: 390, height: 780 };
const wide = { width: 1280, height: 800 };

async function openRoom(page) {
  await page.goto('/rooms');
  await page.getByRole('link', { name: /Repair café/ }).first().click();
  await page.waitForSelector('chat-conversation .message');
  await page.locator('[data-presence]', { hasText: 'here' }).waitFor();
}

/** Starts a guest session. Returns a function that calls the API with it. */
async function guest(name) {
  const call = async (method, path, token, body) => {
    const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
    const response = await fetch(`${url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
    return response.status === 204 ? null : response.json();
  };
  const { token } = await call('POST', '/sessions', null, { name });
  return (method, path, body) => call(method, path, token, body);
}

async function wait(page) {
  for (const interest of ['tides', 'moths', 'local gossip']) {
    const other = await guest('Somebody');
    await other('POST', '/matches', { adult: true, interests: [interest] });
  }
  await findSomeone(page, 'bread, old bicycles');
  await page.getByText('on the wire').waitFor();
}

async function findSomeone(page, interests) {
  await page.goto('/match');
  if (await page.getByRole('button', { name: 'Next' }).isVisible()) return;
  await page.getByLabel('What do you like?').fill(interests);
  const adult = page.getByLabel('I am 18 or older');
  if (await adult.isVisible()) await adult.check();
  await page.getByRole('button', { name: 'Find someone' }).click();
}

/** Waits for a match and exchanges a few messages. */
async function talk(page) {
  const other = await guest('Somebody');
  await other('POST', '/matches', { adult: true, interests: ['bread', 'old bicycles'] });
  await findSomeone(page, 'bread, old bicycles');
  await page.getByRole('button', { name: 'Next' }).waitFor();
  await page.waitForFunction(() => customElements.get('chat-conversation'));
  const { conversation_id: id } = await other('GET', '/matches/current');
  const say = (body) => other('POST', `/conversations/${id}/messages`, { body });
  await say('Hello, stranger. Important question first: crust or middle?');
  for (const text of ['Crust.', 'The middle is just what holds it together.']) {
    await page.getByLabel('Your message').fill(text);
    await page.getByLabel('Your message').press('Enter');
    await page.locator('.message:not(.sending) .body', { hasText: text }).waitFor();
  }
  await say('Then we can go on 🥖 Did you smell the shop this morning?');
  await page.locator('.body', { hasText: 'Then we can go on' }).waitFor();
}

async function openPage(page) {
  await page.goto('/@ify');
  await page.locator('nav.owner-bar').evaluateAll((bars) => bars.forEach((bar) => bar.remove()));
  await page.evaluate(async () => {
    for (const image of document.images) image.loading = 'eager';
    await Promise.all([...document.images].map((image) => image.decode()));
  });
}

const pictures = [
  { name: 'stream-wide', viewport: wide },
  { name: 'stream-phone', viewport: phone },
  { name: 'room-wide', viewport: wide, prepare: openRoom },
  { name: 'room-phone', viewport: phone, prepare: openRoom },
  { name: 'page-wide', viewport: { width: 1280, height: 1400 }, prepare: openPage },
  { name: 'page-phone-dark', viewport: { width: 390, height: 1400 }, colorScheme: 'dark', prepare: openPage },
  { name: 'match-line-phone', viewport: phone, prepare: wait },
  { name: 'match-talk-phone-dark', viewport: phone, colorScheme: 'dark', prepare: talk },
];

const browser = await chromium.launch(launchOptions);
for (const { name, prepare, ...context } of pictures) {
  const page = await browser.newPage({ baseURL: url, reducedMotion: 'reduce', ...context });
  await logIn(page, 'priya');
  await page.waitForURL('/');
  await prepare?.(page);
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: `${folder}/${name}.png` });
  await page.close();
}
await browser.close();
