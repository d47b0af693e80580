// Live updates of the stream: everyone sees each peep, edit and deletion, once and in order.
import { expect, test } from './server.js';
import { deletePeep, feed, ify, layla, nell, openPeep, peep, program, peepWith } from './people.js';

/** Marks the document, so that a reload can be detected later. */
async function mark(page) {
  await page.evaluate(() => (window.marked = true));
}

async function expectNotReloaded(page) {
  expect(await page.evaluate(() => window.marked), 'the page was reloaded').toBe(true);
}

test('two people see each other’s peeps arrive', async ({ visit }) => {
  const nells = await visit(nell);
  const ifys = await visit(ify);
  await mark(nells);
  await mark(ifys);

  await peep(nells, 'Whoever left quince jelly on my step: thank you.');
  await expect(peepWith(ifys, 'quince jelly')).toHaveCount(1);
  await expect(peepWith(ifys, 'quince jelly').locator('.name')).toHaveText(nell.name);
  await expect(peepWith(ifys, 'quince jelly').locator('.handle')).toHaveText('@nell');

  await peep(ifys, 'The tide tables are off the press.');
  await expect(peepWith(nells, 'tide tables')).toHaveCount(1);

  for (const page of [nells, ifys]) {
    await expect(feed(page)).toHaveCount(2);
    await expect(feed(page).first().locator('.body')).toHaveText('The tide tables are off the press.');
    await expectNotReloaded(page);
  }
});

test('a visitor sees peeps arrive too', async ({ visit }) => {
  const visitors = await visit();
  await visitors.goto('/');
  await mark(visitors);
  const nells = await visit(nell);
  await peep(nells, 'Good morning, harbour.');
  await expect(peepWith(visitors, 'Good morning')).toHaveCount(1);
  await expectNotReloaded(visitors);
});

test('a peep arrives as text, never as markup', async ({ visit }) => {
  const nells = await visit(nell);
  const ifys = await visit(ify);
  const text = '<b>Bold</b> <img src=x onerror="window.caught = true"> & <script>window.caught = true</script>';
  await peep(nells, text);
  for (const page of [nells, ifys]) {
    await expect(feed(page).first().locator('.body')).toHaveText(text);
    await expect(feed(page).locator('.body :is(b, img, script)')).toHaveCount(0);
    expect(await page.evaluate(() => window.caught)).toBeUndefined();
  }
});

test('new peeps wait behind a pill while the reader is further down', async ({ request, visit }) => {
  const laylas = await program(request, layla);
  await laylas.fill(30);
  const ifys = await visit(ify);
  const reading = feed(ifys).nth(9);
  await reading.evaluate((peep) => peep.scrollIntoView({ block: 'center' }));
  const pill = ifys.locator('.pill');
  await expect(pill).toBeHidden();
  const before = await reading.boundingBox();
  const id = await reading.getAttribute('id');
  const samePeep = ifys.locator(`#${id}`);

  await laylas.post('The first of three');
  await expect(pill).toHaveText(/\b1 new peep\b/);
  await laylas.post('The second of three');
  await laylas.post('The third of three');
  await expect(pill).toHaveText(/\b3 new peeps\b/);
  await expect(pill).toBeInViewport();
  expect(await samePeep.boundingBox()).toEqual(before);

  await pill.click();
  await expect(peepWith(ifys, 'The third of three')).toBeInViewport();
  await expect(pill).toBeHidden();
  await expect(feed(ifys).locator('.body').nth(0)).toHaveText('The third of three');
  await expect(feed(ifys).locator('.body').nth(1)).toHaveText('The second of three');
  await expect(feed(ifys).locator('.body').nth(2)).toHaveText('The first of three');
});

test('edits and deletions arrive', async ({ visit }) => {
  const nells = await visit(nell);
  const ifys = await visit(ify);
  await mark(ifys);
  await peep(nells, 'The ferry leaves at nine.');
  await peep(nells, 'Mind the lower slip.');
  await expect(feed(ifys)).toHaveCount(2);

  await openPeep(nells, 'The ferry leaves');
  await nells.getByRole('link', { name: 'Edit', exact: true }).click();
  await nells.getByRole('main').locator('textarea').fill('The ferry leaves at ten.');
  await nells.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(peepWith(ifys, 'The ferry leaves at ten.')).toHaveCount(1);
  await expect(peepWith(ifys, 'at ten').getByRole('link', { name: 'edited' })).toBeVisible();
  await expect(peepWith(ifys, 'at nine')).toHaveCount(0);
  await expect(feed(ifys)).toHaveCount(2);
  // An edit does not move a peep to the top.
  await expect(feed(ifys).first().locator('.body')).toHaveText('Mind the lower slip.');

  await deletePeep(nells);
  await expect(feed(ifys)).toHaveCount(1);
  await expect(peepWith(ifys, 'The ferry leaves')).toHaveCount(0);
  await expectNotReloaded(ifys);
});

for (const [how, end] of [
  ['stops', (chitter) => chitter.stop()],
  ['is killed', (chitter) => chitter.kill()],
]) {
  test(`a page that was open while the server ${how} and starts again misses nothing and shows nothing twice`, async ({
    chitter,
    request,
    visit,
  }) => {
    const laylas = await program(request, layla);
    const nells = await visit(nell);
    await mark(nells);
    await laylas.post('Before the power cut');
    await expect(feed(nells)).toHaveCount(1);

    await end(chitter);
    await chitter.start();
    // Posted before the page can have reconnected.
    await laylas.post('The first after it');
    await laylas.post('The second after it');
    await laylas.post('The third after it');

    const all = ['The third after it', 'The second after it', 'The first after it', 'Before the power cut'];
    await expect(feed(nells).locator('.body')).toHaveText(all, { timeout: 30_000 });
    // The page is live again, and has not only caught up.
    await laylas.post('Much later');
    await expect(feed(nells).locator('.body')).toHaveText(['Much later', ...all]);
    await expectNotReloaded(nells);
  });
}

test('edits and deletions made while a page was offline show after it reconnects', async ({
  chitter,
  request,
  visit,
}) => {
  const laylas = await program(request, layla);
  const edited = await laylas.post('Bread at six');
  const deleted = await laylas.post('Bread at seven');
  const nells = await visit(nell);
  await expect(feed(nells)).toHaveCount(2);

  await chitter.restart();
  await laylas.edit(edited.id, 'Bread at eight');
  await laylas.remove(deleted.id);
  await expect(feed(nells).locator('.body')).toHaveText(['Bread at eight'], { timeout: 30_000 });
});

test('a peep that was posted and edited while a page was offline shows after it reconnects', async ({
  chitter,
  request,
  visit,
}) => {
  const laylas = await program(request, layla);
  const nells = await visit(nell);
  await laylas.post('Shown');
  await expect(feed(nells)).toHaveCount(1);

  // The page reconnects after both peeps, and the replay has the edited one last.
  await nells.context().setOffline(true);
  await chitter.restart();
  const first = await laylas.post('First');
  await laylas.post('Second');
  await laylas.edit(first.id, 'First, edited');
  await nells.context().setOffline(false);
  await expect(feed(nells).locator('.body')).toHaveText(['Second', 'First, edited', 'Shown']);
});

test('older peeps are loaded while scrolling down, until there are none', async ({ page, request }) => {
  const laylas = await program(request, layla);
  const all = await laylas.fill(65);
  await page.goto('/');
  const first = await feed(page).count();
  expect(first).toBeGreaterThan(0);
  expect(first, 'the first page has every peep, so this test shows nothing').toBeLessThan(all.length);

  await expect
    .poll(async () => {
      await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
      return feed(page).count();
    })
    .toBe(all.length);
  await expect(feed(page).locator('.body')).toHaveText(all);
  await expect(page.getByRole('link', { name: 'Older peeps' })).toBeHidden();
});
