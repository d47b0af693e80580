// Takes the README's pictures: node pictures.js URL FOLDER. `bin/pictures` runs it.
import { chromium } from '@playwright/test';
import { logIn } from './people.js';
import { launchOptions } from './playwright.config.js';

const [url, folder] = process.argv.slice(2);
const phone = { width: 390, height: 780 };
const wide = { width: 1280, height: 800 };

async function answer(page) {
  await page.locator('article.peep', { hasText: 'Who mends hub gears' }).locator('.when').first().click();
  await page.waitForSelector('.lead');
}

const pictures = [
  { name: 'stream-wide', viewport: wide },
  { name: 'stream-wide-dark', viewport: wide, colorScheme: 'dark' },
  { name: 'stream-phone', viewport: phone },
  { name: 'stream-phone-dark', viewport: phone, colorScheme: 'dark' },
  { name: 'conversation-phone', viewport: phone, prepare: answer },
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
