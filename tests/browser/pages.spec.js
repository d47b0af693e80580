// Members’ own pages: built on a phone and on a wide screen, by keyboard alone and without scripts; shown in every
// theme; exported; and their contact form.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expectNoViolations, expectNoSidewaysScroll, htmlErrors } from './checks.js';
import { BINARY, expect, test } from './server.js';
import { logIn, nell, PASSWORD, program } from './people.js';

/** A PNG of one gold pixel. */
const DOT = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

const section = (page, label) =>
  page.locator('[data-section]').filter({ has: page.locator('summary', { hasText: label }) });
const open = async (page, label) => section(page, label).locator('summary').click();
const expectSaved = (page) => expect(page.getByRole('status')).toContainText('Kept in your draft');
const preview = (page) => page.frameLocator('[data-preview]');
const kinds = (page) => page.locator('[data-section] .section-name').allTextContents();

for (const width of [390, 1280]) {
  test(`a page is built from nothing, ${width} px wide`, async ({ page, visit }) => {
    await page.setViewportSize({ width, height: 844 });
    await program(page.request, nell);
    await page.goto('/@nell');
    await page.getByRole('link', { name: 'Make a page' }).click();
    await expectNoViolations(page, 'the editor');
    await expectNoSidewaysScroll(page, 'the editor');

    await open(page, 'Hero');
    await page.getByLabel('What you do, in a line').fill('Keeps the kettle on.');
    await expectSaved(page);
    if (width > 960) await expect(preview(page).getByText('Keeps the kettle on.')).toBeVisible();

    await page.getByText('Add a section').click();
    await page.getByRole('button', { name: 'Text' }).click();
    await page.getByLabel('Text', { exact: true }).fill('I mend *nets*.\n\n- and chairs');
    await expectSaved(page);
    if (width > 960) await expect(preview(page).locator('.prose li')).toHaveText('and chairs');

    await page.getByText('Add a section').click();
    await page.getByRole('button', { name: 'Projects' }).click();
    const projects = section(page, 'Projects');
    await projects.getByLabel('Title', { exact: true }).fill('A very long net');
    await projects.getByLabel('Where it is').fill('not an address');
    await expect(projects.getByRole('alert').filter({ hasText: 'Write an address' })).toBeVisible();
    await page.getByRole('button', { name: 'Publish' }).click();
    await expect(projects.getByLabel('Where it is')).toHaveValue('not an address'); // refused, and not published
    expect((await page.request.get('/@nell', { maxRedirects: 0 })).url()).toContain('/@nell');
    await expect(page.getByRole('status')).not.toContainText('This is what others see');
    await projects.getByLabel('Where it is').fill('nets.example');
    await projects.getByLabel('What is on it').fill('A net on the slip');
    await projects.getByLabel('Choose one').setInputFiles({ name: 'net.png', mimeType: 'image/png', buffer: DOT });
    await expect(projects.locator('.picture-field img')).toHaveCount(1);
    await expect(projects.getByLabel('Title', { exact: true }).first()).toHaveValue('A very long net');
    await expectNoViolations(page, 'the editor with a picture');
    await expectNoSidewaysScroll(page, 'the editor with a picture');

    await page.getByText('How it looks').click();
    await page.getByLabel('Dusk').check();
    await expectSaved(page);
    await page.getByRole('button', { name: 'Publish' }).click();
    await expect(page.getByRole('status')).toContainText('This is what others see');

    const visitorPage = await visit();
    await visitorPage.setViewportSize({ width, height: 844 });
    await visitorPage.goto('/@nell');
    await expect(visitorPage.getByRole('heading', { level: 1 })).toHaveText('Nell Ashby');
    const link = visitorPage.getByRole('link', { name: 'A very long net' });
    await expect(link).toHaveAttribute('href', 'https://nets.example/');
    await expect(visitorPage.getByAltText('A net on the slip')).toBeVisible();
    expect(await visitorPage.locator('link[rel=stylesheet]').getAttribute('href')).toContain('dusk');
    await expectNoViolations(visitorPage, 'the page');
    await expectNoSidewaysScroll(visitorPage, 'the page');
  });
}

test('a page is built, ordered and published by the keyboard alone', async ({ page }) => {
  await program(page.request, nell);
  await page.goto('/settings/page');
  const tabTo = async (role, name) => {
    const target = page.getByRole(role, { name });
    for (let presses = 0; presses < 120; presses++) {
      if (await target.evaluateAll((all) => all.includes(document.activeElement))) return;
      await page.keyboard.press('Tab');
    }
    throw new Error(`Tab did not reach ${name}`);
  };
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  await section(page, 'Hero').locator('summary').focus();
  await press('Enter', 'Tab');
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type('Nell of the Row');
  await expectSaved(page);
  await page.getByText('Add a section').focus();
  await press('Enter');
  await tabTo('button', 'Banner');
  await press('Enter');
  await expect(page.getByLabel('What it says')).toBeVisible();
  expect(await kinds(page)).toEqual(['Hero', 'Banner', 'Latest peeps', 'Contact']);
  await page.getByLabel('What it says').focus();
  await page.keyboard.type('Open on Thursdays');
  await expectSaved(page);
  await section(page, 'Banner').locator('.drag-handle').focus();
  await press('ArrowDown');
  await expect(page.getByRole('status')).toHaveText(/Banner is number 3 of 4/);
  await expect(section(page, 'Banner').locator('.drag-handle')).toBeFocused();
  await press('Home');
  await expect(page.getByRole('status')).toHaveText(/Banner is number 1 of 4/);
  await expect(preview(page).locator('main section').first()).toContainText('Open on Thursdays');
  await page.getByRole('button', { name: 'Publish' }).focus();
  await press('Enter');
  await expect(page.getByRole('status')).toContainText('This is what others see');
  expect(await kinds(page)).toEqual(['Banner', 'Hero', 'Latest peeps', 'Contact']);
  await page.goto('/@nell');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Nell of the Row');
});

test('a section is dragged to its place', async ({ page }) => {
  await program(page.request, nell);
  await page.goto('/settings/page');
  const from = await section(page, 'Contact').locator('.drag-handle').boundingBox();
  const to = await section(page, 'Hero').boundingBox();
  await page.mouse.move(from.x + 10, from.y + 10);
  await page.mouse.down();
  await page.mouse.move(to.x + 20, to.y + 20, { steps: 4 });
  await page.mouse.move(to.x + 20, to.y + 4, { steps: 2 });
  await page.mouse.up();
  await expect(page.getByRole('status')).toHaveText(/Contact is number 1 of 3/);
  await page.reload();
  expect(await kinds(page)).toEqual(['Contact', 'Hero', 'Latest peeps']);
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });

  test('a page is built, refused, corrected and published by plain forms', async ({ page }) => {
    await program(page.request, nell);
    await page.goto('/settings/page');
    await page.getByText('Add a section').click();
    await page.getByRole('button', { name: 'Links' }).click();
    await page.getByLabel('What it is called').fill('Shop');
    await page.getByLabel('Where it leads').fill('javascript:alert(1)');
    const save = () => section(page, 'Links').getByRole('button', { name: 'Keep it' }).last().click();
    await save();
    await expect(page.getByText('Write an address as https://example.org.')).toBeVisible();
    await expect(page.getByLabel('What it is called').first()).toHaveValue('Shop');
    await page.getByLabel('Where it leads').first().fill('shop.example');
    await save();
    await expect(page.getByLabel('Where it leads').first()).toHaveValue('https://shop.example/');
    await page.getByLabel('Where it leads').last().fill('https://log.example');
    await save();
    await section(page, 'Links').getByRole('button', { name: 'Move up', exact: true }).click();
    await expect(page.getByLabel('Where it leads').first()).toHaveValue('https://log.example/');
    await section(page, 'Links').getByRole('button', { name: 'Remove', exact: true }).first().click();
    await section(page, 'Links').getByRole('button', { name: 'Move up : Links' }).click();
    expect(await kinds(page)).toEqual(['Links', 'Hero', 'Latest peeps', 'Contact']);
    await page.getByRole('button', { name: 'Publish' }).click();
    await page.goto('/@nell');
    await expect(page.getByRole('link', { name: 'Shop' })).toHaveAttribute('href', 'https://shop.example/');
  });

  test('the contact form sends a message', async ({ page, visit }) => {
    await program(page.request, nell);
    await page.request.post('/settings/page/publish');
    const visitorPage = await visit();
    await visitorPage.goto('/@nell');
    await visitorPage.getByRole('link', { name: 'Write to me' }).last().click();
    await visitorPage.getByLabel('Your name').fill('Oskar');
    await visitorPage.getByLabel('Your email').fill('oskar@elsewhere.example');
    await visitorPage.getByLabel('Your letter').fill('Do you mend nets?');
    // A form that is sent within two seconds is refused, because robots send forms so fast.
    await expect(async () => {
      await visitorPage.getByRole('button', { name: 'Send it' }).click();
      await expect(visitorPage.getByRole('heading', { name: 'It is on its way' })).toBeVisible({ timeout: 1000 });
    }).toPass();
  });
});

for (const colorScheme of ['light', 'dark']) {
  test(`a full page has no violations in any theme, in ${colorScheme}`, async ({ page, chitter }) => {
    await page.emulateMedia({ colorScheme });
    await chitter.seed(PASSWORD);
    await logIn(page, 'ify');
    await expect(page).toHaveURL('/');
    for (const [theme, accent] of [
      ['paper', '#ffee00'],
      ['harbour', null],
      ['meadow', '#000000'],
      ['rose', null],
      ['dusk', '#00ff88'],
      ['press', null],
    ]) {
      const form = accent ? { theme, own_accent: 'on', accent } : { theme };
      await page.request.post('/settings/page/look', { form });
      await page.request.post('/settings/page/publish');
      for (const width of [390, 1280]) {
        await page.setViewportSize({ width, height: 844 });
        await page.goto('/@ify');
        await expectNoViolations(page, `${theme}, ${width} px wide`);
        await expectNoSidewaysScroll(page, `${theme}, ${width} px wide`);
      }
    }
    const paths = ['/@ify/contact', '/@ify/peeps', '/@ifeoma', '/settings/page/visits', '/settings/page/preview'];
    for (const path of paths) {
      await page.goto(path);
      await expectNoViolations(page, path);
      await expectNoSidewaysScroll(page, path);
    }
    await page.goto('/settings/page');
    for (const summary of await page.locator('[data-section] summary').all()) await summary.click();
    await expectNoViolations(page, 'the editor, all of it open');
    await expectNoSidewaysScroll(page, 'the editor, all of it open');
  });
}

test('a full page does not shift, needs no script, and is light', async ({ browser, chitter }) => {
  await chitter.seed(PASSWORD);
  const context = await browser.newContext({ baseURL: chitter.url, viewport: { width: 390, height: 844 } });
  const page = await context.newPage();
  let bytes = 0;
  const kinds = new Set();
  page.on('response', async (response) => {
    kinds.add(response.request().resourceType());
    if (['document', 'stylesheet', 'script', 'font'].includes(response.request().resourceType())) {
      bytes += (await response.body()).length;
    }
  });
  await page.addInitScript(() => {
    window.shifts = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.shifts += entry.value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
  await page.goto('/@ify');
  const height = await page.evaluate(() => document.body.scrollHeight);
  for (let y = 0; y < height; y += 400) await page.mouse.wheel(0, 400);
  await expect(page.locator('.tile img').last()).toHaveJSProperty('complete', true);
  expect(await page.evaluate(() => window.shifts)).toBe(0);
  expect([...kinds].sort()).not.toContain('script');
  expect(bytes).toBeLessThan(30_000); // uncompressed; compressed it is a third
  await context.close();
});

test('a tile shows its text on hover, on focus and on tap', async ({ browser, chitter }) => {
  await chitter.seed(PASSWORD);
  const context = await browser.newContext({ baseURL: chitter.url, hasTouch: true, reducedMotion: 'reduce' });
  const page = await context.newPage();
  await page.goto('/@ify');
  const text = page.getByText('Six degrees is fine.');
  await expect(text).toHaveCSS('opacity', '0');
  const tile = page.locator('.tile').filter({ has: text });
  await tile.hover();
  await expect(text).toHaveCSS('opacity', '1');
  await page.mouse.move(0, 0);
  await expect(text).toHaveCSS('opacity', '0');
  await tile.focus();
  await expect(text).toHaveCSS('opacity', '1');
  await tile.blur();
  await tile.tap();
  await expect(text).toHaveCSS('opacity', '1');
  await context.close();
});

test('an exported page is valid and opens from its folder', async ({ page, chitter }) => {
  await chitter.seed(PASSWORD);
  const folder = join(chitter.home, 'out');
  await promisify(execFile)(BINARY, ['page', 'export', '@ify', folder], {
    env: { PATH: process.env.PATH, CHITTER_DATA: join(chitter.home, 'data'), CHITTER_BASE_URL: chitter.url },
  });
  expect(await htmlErrors(await readFile(join(folder, 'index.html'), 'utf8'))).toEqual([]);
  await chitter.stop(); // the export needs no server
  const requests = [];
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(pathToFileURL(join(folder, 'index.html')).href);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Ifeoma Okafor');
  await page.evaluate(() => document.querySelectorAll('img').forEach((img) => img.setAttribute('loading', 'eager')));
  for (const image of await page.locator('img').all()) {
    await expect.poll(() => image.evaluate((img) => img.naturalWidth)).toBeGreaterThan(0);
  }
  await expect(page.locator('body')).toHaveCSS('background-color', 'rgb(251, 250, 246)');
  expect(requests.filter((url) => !url.startsWith('file:'))).toEqual([]);
  await chitter.start();
});

test('a followed link is counted, and leads to its target', async ({ page, chitter, visit }) => {
  await program(page.request, nell);
  const added = await page.request.post('/settings/page/sections', { form: { kind: 'links' }, maxRedirects: 0 });
  const id = added.headers().location.split('section-')[1];
  const target = `${chitter.url}/docs/api`.replace('127.0.0.1', 'localhost');
  await page.request.post(`/settings/page/sections/${id}`, {
    multipart: { 'label.0': 'Elsewhere', 'link.0': target, audience: 'everyone' },
  });
  await page.request.post('/settings/page/publish');
  const visitorPage = await visit();
  await visitorPage.goto('/@nell');
  const ping = visitorPage.waitForRequest((request) => request.url().includes('/visits?link='));
  await visitorPage.getByRole('link', { name: 'Elsewhere' }).click();
  await ping;
  await expect(visitorPage).toHaveURL(target);
  await expect(async () => {
    await page.goto('/settings/page/visits');
    await expect(page.getByRole('row', { name: 'docs/api' })).toContainText('1', { timeout: 500 });
  }).toPass();
  await expectNoViolations(page, 'visits');
});
