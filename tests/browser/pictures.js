// Takes the README's pictures: node pictures.js URL FOLDER. `bin/pictures` runs it.
import { chromium } from '@playwright/test';
import { logIn } from './people.js';
import { launchOptions } from './playwright.config.js';

const [url, folder] = process.argv.slice(2);
const phone = { width: 390, height: 780 };
const wide = { width: 1280, height: 800 };

async function room(page) {
  await page.goto('/rooms');
  await page.getByRole('link', { name: /Repair café/ }).first().click();
  await page.waitForSelector('chat-room .message');
  await page.locator('[data-here]', { hasText: 'here' }).waitFor();
}

const pictures = [
  { name: 'stream-wide', viewport: wide },
  { name: 'stream-phone', viewport: phone },
  { name: 'room-wide', viewport: wide, prepare: room },
  { name: 'room-phone', viewport: phone, prepare: room },
  { name: 'room-phone-dark', viewport: phone, colorScheme: 'dark', prepare: room },
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
