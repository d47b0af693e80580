// Threads: Nell and Ify write to each other, and Jörg is added later.
import { expect, test } from './server.js';
import { ify, joerg, nell } from './people.js';

const messageField = (page) => page.getByLabel('Your message');

async function sendMessage(page, text) {
  await page.waitForFunction(() => customElements.get('chat-conversation')); // Enter sends only by script
  await messageField(page).fill(text);
  await messageField(page).press('Enter');
}

const expectMessage = (page, text) => expect(page.locator('.message .body', { hasText: text })).toBeVisible();

test('two members write to each other, see read receipts, and add a third', async ({ visit }) => {
  const [nells, ifys, joergs] = [await visit(nell), await visit(ify), await visit(joerg)];
  await nells.goto('/threads');
  await nells.getByLabel('Write to').fill('if');
  await expect(nells.locator('#known option')).toHaveAttribute('value', ify.username);
  await nells.getByLabel('Write to').fill(ify.username);
  await nells.getByRole('button', { name: 'Begin' }).click();
  await expect(nells.getByRole('heading', { name: ify.name })).toBeVisible();
  await sendMessage(nells, 'The surprise is on Saturday.');
  await expect(nells.locator('.message:not(.sending)')).toHaveCount(1);
  await expect(nells.locator('[data-read-receipts]')).toHaveText('');

  await ifys.goto('/');
  await ifys.getByRole('link', { name: /Threads.*1.*something new/ }).click();
  await ifys.getByRole('main').getByRole('link', { name: new RegExp(nell.name) }).click();
  await expectMessage(ifys, 'The surprise is on Saturday.');
  await expect(nells.locator('[data-read-receipts]')).toHaveText(`Read by ${ify.name}`);
  await messageField(ifys).pressSequentially('I bring');
  await expect(nells.locator('[data-typing]')).toHaveText(`${ify.name} is typing`);
  await sendMessage(ifys, 'I bring the cake.');
  await expectMessage(nells, 'I bring the cake.');
  await messageField(ifys).fill('And');

  const thread = nells.url();
  await nells.goto(`${thread}/about`);
  await nells.getByLabel('Add people').fill(joerg.username);
  await nells.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(nells.getByRole('heading', { name: '3 people' })).toBeVisible();
  await expect(ifys.getByRole('heading', { name: `${nell.name} and ${joerg.name}` })).toBeVisible();
  await expect(messageField(ifys)).toHaveValue('And'); // the reload of the page kept the draft
  await joergs.goto(thread);
  await expect(joergs.locator('.message')).toHaveCount(0);
  await sendMessage(ifys, 'Welcome, Jörg.');
  await expectMessage(joergs, 'Welcome, Jörg.');

  await joergs.getByRole('button', { name: 'More about this thread' }).click();
  await joergs.getByRole('link', { name: 'Leave the thread' }).click();
  await joergs.getByText('Leave the thread').click();
  await joergs.getByRole('button', { name: 'Leave', exact: true }).click();
  await expect(joergs.getByRole('heading', { name: 'No threads yet' })).toBeVisible();
  await joergs.goto(thread);
  await expect(joergs.getByRole('heading', { name: 'Nothing here' })).toBeVisible();
});

test('a removed member leaves the thread at once', async ({ visit }) => {
  const [nells, ifys] = [await visit(nell), await visit(ify)];
  await nells.goto('/threads');
  await nells.getByLabel('Write to').fill(ify.username);
  await nells.getByRole('button', { name: 'Begin' }).click();
  await expect(nells).toHaveURL(/threads\/\d+$/);
  const thread = nells.url();
  await ifys.goto(thread);
  await expect(ifys.getByText('2 here')).toBeVisible();
  await nells.goto(`${thread}/about`);
  await nells.getByRole('button', { name: `Take out ${ify.name}` }).click();
  await expect(ifys.getByRole('heading', { name: 'Threads', exact: true })).toBeVisible();
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });

  test('a thread is begun and written in', async ({ visit }) => {
    const [nells, ifys] = [await visit(nell), await visit(ify)];
    await nells.goto('/threads');
    await nells.getByLabel('Write to').fill(`${ify.username}, nobody_here`);
    await nells.getByRole('button', { name: 'Begin' }).click();
    await expect(nells.getByText('Nobody here is called nobody_here.')).toBeVisible();
    await nells.getByLabel('Write to').fill(ify.username);
    await nells.getByRole('button', { name: 'Begin' }).click();
    await messageField(nells).fill('Plain words');
    await nells.getByRole('button', { name: 'Send' }).click();
    await ifys.goto(nells.url().replace(/#.*/, ''));
    await expectMessage(ifys, 'Plain words');
  });
});
