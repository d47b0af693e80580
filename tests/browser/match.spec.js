// Matches: Nell is a member, the others are guests in windows of their own.
import { expect, test } from './server.js';
import { nell } from './people.js';

/** Starts a guest session, which leads to the match form. */
async function startGuestSession(page, name) {
  await page.goto('/match');
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Come in' }).click();
  await expect(page.getByRole('heading', { name: 'Match', exact: true })).toBeVisible();
}

/** Sends the match form, with interests if there are any. */
async function findSomeone(page, interests = '') {
  await page.goto('/match');
  await page.getByLabel('What do you like?').fill(interests);
  const adult = page.getByLabel('I am 18 or older');
  if (await adult.isVisible()) await adult.check();
  await page.getByRole('button', { name: 'Find someone' }).click();
}

const waitingHeading = (page) => page.getByRole('heading', { name: 'Finding someone to talk to' });
const talkHeading = (page) => page.getByRole('heading', { name: 'Stranger', exact: true });
const messageField = (page) => page.getByLabel('Your message');
const status = (page) => page.locator('[data-match-status]');

async function sendMessage(page, text) {
  await page.waitForFunction(() => customElements.get('chat-conversation')); // Enter sends only by script
  await messageField(page).fill(text);
  await messageField(page).press('Enter');
}

const expectMessage = (page, text) => expect(page.locator('.message .body', { hasText: text })).toBeVisible();

/** Chooses an item of the talk’s menu. */
async function chooseFromMenu(page, item) {
  await page.getByRole('button', { name: 'More: block, report, leave' }).click();
  await page.locator('#match-menu').getByText(item).click();
}

test('two strangers are matched, talk, lose the connection, come back, and go on to the next', async ({ visit }) => {
  const [nells, teos, adas] = [await visit(nell), await visit(), await visit()];
  await startGuestSession(teos, 'Teo');
  await teos.getByRole('button', { name: 'Find someone' }).click();
  await expect(teos.getByText('Please confirm your age first.')).toBeVisible();

  await findSomeone(teos, 'bread, moths');
  await expect(waitingHeading(teos)).toBeVisible();
  await teos.context().setOffline(true);
  await expect(teos.getByText('You are offline. Your place keeps for 30 seconds.')).toBeVisible();
  await teos.getByRole('button', { name: 'Stop waiting' }).click();
  await expect(teos.getByText('Try again when there is a connection.')).toBeVisible();
  await teos.context().setOffline(false);
  await expect(teos.getByText('You are offline. Your place keeps for 30 seconds.')).toBeHidden();
  await expect(teos.getByText('Likes bread and moths')).toBeVisible();
  await expect(teos.getByText('the first on the wire')).toBeVisible();
  await findSomeone(nells, 'Moths, BREAD');
  for (const page of [nells, teos]) await expect(talkHeading(page)).toBeVisible();
  await sendMessage(nells, 'Crust or middle?');
  await expectMessage(teos, 'Crust or middle?');
  await sendMessage(teos, 'Crust.');
  await expectMessage(nells, 'Crust.');
  const html = await teos.locator('main').innerHTML();
  for (const secret of [nell.username, nell.name, await nells.locator('body').getAttribute('data-viewer')]) {
    expect(html).not.toContain(secret);
  }

  // A lost connection does not end the talk; another tab may continue it.
  await teos.context().setOffline(true);
  await expect(status(teos)).toHaveText('You are offline, reconnecting…');
  await expect(status(nells)).toHaveText('reconnecting…');
  await teos.goto('about:blank').catch(() => {});
  await teos.context().setOffline(false);
  const again = await teos.context().newPage();
  await again.goto('/match');
  await expect(status(nells)).toHaveText('here');
  await expectMessage(again, 'Crust or middle?');
  await sendMessage(again, 'The train was in a tunnel.');
  await expectMessage(nells, 'The train was in a tunnel.');

  await messageField(again).fill('I was about to say');
  await nells.getByRole('button', { name: 'Next' }).click();
  await expect(waitingHeading(nells)).toBeVisible();
  await expect(again.getByRole('heading', { name: 'They have gone' })).toBeFocused();
  await expect(again.getByText('This was not sent any more: “I was about to say”')).toBeVisible();
  await expectMessage(again, 'Crust or middle?');
  await again.reload();
  await expect(again.getByRole('heading', { name: 'They have gone' })).toBeVisible();
  await expect(again.getByText('Crust')).toHaveCount(0);
  await startGuestSession(adas, 'Ada');
  await findSomeone(adas, 'moths, bread');
  for (const page of [nells, adas]) await expect(talkHeading(page)).toBeVisible();
  await expect(adas.getByText('Crust')).toHaveCount(0);
});

test('names are revealed and pictures allowed when both agree', async ({ visit }) => {
  const [nells, teos] = [await visit(nell), await visit()];
  await startGuestSession(teos, 'Teo');
  await findSomeone(teos);
  await findSomeone(nells);
  await expect(talkHeading(nells)).toBeVisible();
  await expect(talkHeading(teos)).toBeVisible();
  await chooseFromMenu(nells, 'Offer my name');
  await expect(teos.getByText('They would tell you their name, if you tell yours.')).toBeVisible();
  await teos.getByRole('button', { name: 'Me too' }).click();
  await expect(teos.getByRole('heading', { name: `${nell.name} (@${nell.username})` })).toBeVisible();
  await expect(nells.getByRole('heading', { name: 'Teo (guest)' })).toBeVisible();

  await expect(nells.getByRole('button', { name: 'Attach a file' })).toBeHidden();
  await chooseFromMenu(nells, 'Agree to pictures');
  await expect(teos.getByText('They would like to send pictures. Do you agree?')).toBeVisible();
  await teos.getByRole('button', { name: 'Me too' }).click();
  for (const page of [nells, teos]) {
    await expect(page.getByRole('button', { name: 'Attach a file' })).toBeVisible();
  }
});

test('a blocked stranger is not matched again, also after a reload, and a report is kept', async ({ visit }) => {
  const [nells, teos] = [await visit(nell), await visit()];
  await startGuestSession(teos, 'Teo');
  await findSomeone(teos);
  await findSomeone(nells);
  await expect(talkHeading(nells)).toBeVisible();
  await sendMessage(nells, 'Where do you live?');
  await expectMessage(teos, 'Where do you live?');
  await chooseFromMenu(teos, 'Report');
  await teos.getByLabel('Insults, threats or hate').check();
  await teos.getByRole('button', { name: 'Report' }).click();
  await expect(teos.getByText('Your report is kept for those who look after this place.')).toBeVisible();
  await expect(nells.getByRole('heading', { name: 'They have gone' })).toBeVisible();

  // The report also blocked them: both wait, and are not matched.
  await findSomeone(teos);
  await findSomeone(nells);
  await expect(nells.getByText('of 2 on the wire')).toBeVisible();
  for (const page of [nells, teos]) {
    await page.reload();
    await expect(waitingHeading(page)).toBeVisible();
  }
  await nells.getByRole('button', { name: 'Stop waiting' }).click();
  await expect(nells.getByRole('heading', { name: 'Match', exact: true })).toBeVisible();
});

test('three guests are matched as a group', async ({ visit }) => {
  const pages = [await visit(), await visit(), await visit()];
  for (const [n, page] of pages.entries()) {
    await startGuestSession(page, `Guest ${n}`);
    await page.getByText('A group of 3 to 8').click();
    await page.getByLabel('I am 18 or older').check();
    await page.getByRole('button', { name: 'Find someone' }).click();
  }
  for (const page of pages) await expect(page.getByRole('heading', { name: '3 strangers' })).toBeVisible();
  await expect(pages[0].locator('[data-match-presence]')).toHaveText(/^3 here · you are [A-Z][a-z]+$/);
  await sendMessage(pages[0], 'Hello, all');
  for (const page of pages.slice(1)) await expectMessage(page, 'Hello, all');
  await pages[2].getByRole('button', { name: 'Next' }).click();
  await sendMessage(pages[0], 'Two are enough');
  await expectMessage(pages[1], 'Two are enough');
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });

  test('a stranger is matched, talked to and left', async ({ visit, request }) => {
    const teos = await visit(undefined, { javaScriptEnabled: false });
    await startGuestSession(teos, 'Teo');
    await findSomeone(teos);
    await expect(waitingHeading(teos)).toBeVisible();
    const session = await (await request.post('/api/v1/sessions', { data: { name: 'Ada' } })).json();
    const headers = { authorization: `Bearer ${session.token}` };
    await request.post('/api/v1/matches', { data: { adult: true }, headers });
    await teos.goto('/match');
    await expect(talkHeading(teos)).toBeVisible();
    await messageField(teos).fill('Hello there');
    await teos.getByRole('button', { name: 'Send' }).click();
    await expect(teos.locator('.message .body')).toHaveText('Hello there');
    await teos.getByRole('button', { name: 'Leave', exact: true }).click();
    await expect(teos.getByRole('heading', { name: 'The talk is over' })).toBeVisible();
  });
});
