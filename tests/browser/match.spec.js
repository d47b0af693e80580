// Strangers: Nell is a member, the others are guests in windows of their own.
import { expect, test } from './server.js';
import { nell } from './people.js';

/** Comes to the place as a guest. */
async function comes(page, name) {
  await page.goto('/match');
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Come in' }).click();
  await expect(page.getByRole('heading', { name: 'Match', exact: true })).toBeVisible();
}

/** Asks for somebody, who may like the same. */
async function seeks(page, likes = '') {
  await page.goto('/match');
  await page.getByLabel('What do you like?').fill(likes);
  const adult = page.getByLabel('I am 18 or older');
  if (await adult.isVisible()) await adult.check();
  await page.getByRole('button', { name: 'Find someone' }).click();
}

const waits = (page) => page.getByRole('heading', { name: 'Finding someone to talk to' });
const talks = (page) => page.getByRole('heading', { name: 'Stranger', exact: true });
const writing = (page) => page.getByLabel('Your message');
const status = (page) => page.locator('[data-match-status]');

async function say(page, words) {
  await page.waitForFunction(() => customElements.get('chat-conversation')); // Enter is the script's
  await writing(page).fill(words);
  await writing(page).press('Enter');
}

const hears = (page, words) => expect(page.locator('.message .body', { hasText: words })).toBeVisible();

/** What is done about the other one, by the menu. */
async function does(page, what) {
  await page.getByRole('button', { name: 'More: block, report, leave' }).click();
  await page.locator('#match-menu').getByText(what).click();
}

test('two strangers are matched, talk, lose the line, come back, and go on to the next', async ({ visit }) => {
  const [nells, teos, adas] = [await visit(nell), await visit(), await visit()];
  await comes(teos, 'Teo');
  await teos.getByRole('button', { name: 'Find someone' }).click();
  await expect(teos.getByText('Please confirm your age first.')).toBeVisible();

  await seeks(teos, 'bread, moths');
  await expect(waits(teos)).toBeVisible();
  await teos.context().setOffline(true);
  await expect(teos.getByText('You are offline. Your place keeps for 30 seconds.')).toBeVisible();
  await teos.getByRole('button', { name: 'Stop waiting' }).click();
  await expect(teos.getByText('Try again when there is a connection.')).toBeVisible();
  await teos.context().setOffline(false);
  await expect(teos.getByText('You are offline. Your place keeps for 30 seconds.')).toBeHidden();
  await expect(teos.getByText('Likes bread and moths')).toBeVisible();
  await expect(teos.getByText('the first on the wire')).toBeVisible();
  await seeks(nells, 'Moths, BREAD');
  for (const page of [nells, teos]) await expect(talks(page)).toBeVisible();
  await say(nells, 'Crust or middle?');
  await hears(teos, 'Crust or middle?');
  await say(teos, 'Crust.');
  await hears(nells, 'Crust.');
  const told = await teos.locator('main').innerHTML();
  for (const secret of [nell.username, nell.name, await nells.locator('body').getAttribute('data-viewer')]) {
    expect(told).not.toContain(secret);
  }

  // A tunnel: the place is kept, in another tab as well.
  await teos.context().setOffline(true);
  await expect(status(teos)).toHaveText('You are offline, reconnecting…');
  await expect(status(nells)).toHaveText('reconnecting…');
  await teos.goto('about:blank').catch(() => {});
  await teos.context().setOffline(false);
  const again = await teos.context().newPage();
  await again.goto('/match');
  await expect(status(nells)).toHaveText('here');
  await hears(again, 'Crust or middle?');
  await say(again, 'The train was in a tunnel.');
  await hears(nells, 'The train was in a tunnel.');

  await writing(again).fill('I was about to say');
  await nells.getByRole('button', { name: 'Next' }).click();
  await expect(waits(nells)).toBeVisible();
  await expect(again.getByRole('heading', { name: 'They have gone' })).toBeFocused();
  await expect(again.getByText('This was not sent any more: “I was about to say”')).toBeVisible();
  await hears(again, 'Crust or middle?');
  await again.reload();
  await expect(again.getByRole('heading', { name: 'They have gone' })).toBeVisible();
  await expect(again.getByText('Crust')).toHaveCount(0);
  await comes(adas, 'Ada');
  await seeks(adas, 'moths, bread');
  for (const page of [nells, adas]) await expect(talks(page)).toBeVisible();
  await expect(adas.getByText('Crust')).toHaveCount(0);
});

test('two who both want to know are told, and pictures come when both agree', async ({ visit }) => {
  const [nells, teos] = [await visit(nell), await visit()];
  await comes(teos, 'Teo');
  await seeks(teos);
  await seeks(nells);
  await expect(talks(nells)).toBeVisible();
  await expect(talks(teos)).toBeVisible();
  await does(nells, 'Offer my name');
  await expect(teos.getByText('They would tell you their name, if you tell yours.')).toBeVisible();
  await teos.getByRole('button', { name: 'Me too' }).click();
  await expect(teos.getByRole('heading', { name: `${nell.name} (@${nell.username})` })).toBeVisible();
  await expect(nells.getByRole('heading', { name: 'Teo (guest)' })).toBeVisible();

  await expect(nells.getByRole('button', { name: 'Attach a file' })).toBeHidden();
  await does(nells, 'Agree to pictures');
  await expect(teos.getByText('They would like to send pictures. Do you agree?')).toBeVisible();
  await teos.getByRole('button', { name: 'Me too' }).click();
  for (const page of [nells, teos]) {
    await expect(page.getByRole('button', { name: 'Attach a file' })).toBeVisible();
  }
});

test('whoever is blocked is not met again, also after a reload, and a report is kept', async ({ visit }) => {
  const [nells, teos] = [await visit(nell), await visit()];
  await comes(teos, 'Teo');
  await seeks(teos);
  await seeks(nells);
  await expect(talks(nells)).toBeVisible();
  await say(nells, 'Where do you live?');
  await hears(teos, 'Where do you live?');
  await does(teos, 'Report');
  await teos.getByLabel('Insults, threats or hate').check();
  await teos.getByRole('button', { name: 'Report' }).click();
  await expect(teos.getByText('Your report is kept for those who look after this place.')).toBeVisible();
  await expect(nells.getByRole('heading', { name: 'They have gone' })).toBeVisible();

  // It was blocked with it: they are alone, and do not meet.
  await seeks(teos);
  await seeks(nells);
  await expect(nells.getByText('of 2 on the wire')).toBeVisible();
  for (const page of [nells, teos]) {
    await page.reload();
    await expect(waits(page)).toBeVisible();
  }
  await nells.getByRole('button', { name: 'Stop waiting' }).click();
  await expect(nells.getByRole('heading', { name: 'Match', exact: true })).toBeVisible();
});

test('three make a group', async ({ visit }) => {
  const pages = [await visit(), await visit(), await visit()];
  for (const [n, page] of pages.entries()) {
    await comes(page, `Guest ${n}`);
    await page.getByText('A group of 3 to 8').click();
    await page.getByLabel('I am 18 or older').check();
    await page.getByRole('button', { name: 'Find someone' }).click();
  }
  for (const page of pages) await expect(page.getByRole('heading', { name: '3 strangers' })).toBeVisible();
  await expect(pages[0].locator('[data-match-presence]')).toHaveText(/^3 here · you are [A-Z][a-z]+$/);
  await say(pages[0], 'Hello, all');
  for (const page of pages.slice(1)) await hears(page, 'Hello, all');
  await pages[2].getByRole('button', { name: 'Next' }).click();
  await say(pages[0], 'Two are enough');
  await hears(pages[1], 'Two are enough');
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });

  test('a stranger is asked for, talked to and left', async ({ visit, request }) => {
    const teos = await visit(undefined, { javaScriptEnabled: false });
    await comes(teos, 'Teo');
    await seeks(teos);
    await expect(waits(teos)).toBeVisible();
    const session = await (await request.post('/api/v1/sessions', { data: { name: 'Ada' } })).json();
    const headers = { authorization: `Bearer ${session.token}` };
    await request.post('/api/v1/matches', { data: { adult: true }, headers });
    await teos.goto('/match');
    await expect(talks(teos)).toBeVisible();
    await writing(teos).fill('Hello there');
    await teos.getByRole('button', { name: 'Send' }).click();
    await expect(teos.locator('.message .body')).toHaveText('Hello there');
    await teos.getByRole('button', { name: 'Leave', exact: true }).click();
    await expect(teos.getByRole('heading', { name: 'The talk is over' })).toBeVisible();
  });
});
