// Threads: Nell and Ify write to each other, and Jörg is added.
import { expect, test } from './server.js';
import { ify, joerg, nell } from './people.js';

const writing = (page) => page.getByLabel('Your message');

async function say(page, words) {
  await page.waitForFunction(() => customElements.get('chat-conversation')); // Enter is the script's
  await writing(page).fill(words);
  await writing(page).press('Enter');
}

const hears = (page, words) => expect(page.locator('.message .body', { hasText: words })).toBeVisible();

test('two write to each other, see what was read, and add a third', async ({ visit }) => {
  const [nells, ifys, joergs] = [await visit(nell), await visit(ify), await visit(joerg)];
  await nells.goto('/threads');
  await nells.getByLabel('Write to').fill('if');
  await expect(nells.locator('#known option')).toHaveAttribute('value', ify.username);
  await nells.getByLabel('Write to').fill(ify.username);
  await nells.getByRole('button', { name: 'Begin' }).click();
  await expect(nells.getByRole('heading', { name: ify.name })).toBeVisible();
  await say(nells, 'The surprise is on Saturday.');
  await expect(nells.locator('.message:not(.sending)')).toHaveCount(1);
  await expect(nells.locator('[data-read-receipts]')).toHaveText('');

  await ifys.goto('/');
  await ifys.getByRole('link', { name: /Threads.*1.*something new/ }).click();
  await ifys.getByRole('main').getByRole('link', { name: new RegExp(nell.name) }).click();
  await hears(ifys, 'The surprise is on Saturday.');
  await expect(nells.locator('[data-read-receipts]')).toHaveText(`Read by ${ify.name}`);
  await writing(ifys).pressSequentially('I bring');
  await expect(nells.locator('[data-typing]')).toHaveText(`${ify.name} is typing`);
  await say(ifys, 'I bring the cake.');
  await hears(nells, 'I bring the cake.');
  await writing(ifys).fill('And');

  const thread = nells.url();
  await nells.goto(`${thread}/about`);
  await nells.getByLabel('Add people').fill(joerg.username);
  await nells.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(nells.getByRole('heading', { name: '3 people' })).toBeVisible();
  await expect(ifys.getByRole('heading', { name: `${nell.name} and ${joerg.name}` })).toBeVisible();
  await expect(writing(ifys)).toHaveValue('And'); // the page was drawn anew, and kept it
  await joergs.goto(thread);
  await expect(joergs.locator('.message')).toHaveCount(0);
  await say(ifys, 'Welcome, Jörg.');
  await hears(joergs, 'Welcome, Jörg.');

  await joergs.getByRole('button', { name: 'More about this thread' }).click();
  await joergs.getByRole('link', { name: 'Leave the thread' }).click();
  await joergs.getByText('Leave the thread').click();
  await joergs.getByRole('button', { name: 'Leave', exact: true }).click();
  await expect(joergs.getByRole('heading', { name: 'No threads yet' })).toBeVisible();
  await joergs.goto(thread);
  await expect(joergs.getByRole('heading', { name: 'Nothing here' })).toBeVisible();
});

test('whoever is taken out is out at once', async ({ visit }) => {
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

  test('a thread is begun, written in and left', async ({ visit }) => {
    const [nells, ifys] = [await visit(nell), await visit(ify)];
    await nells.goto('/threads');
    await nells.getByLabel('Write to').fill(`${ify.username}, nobody_here`);
    await nells.getByRole('button', { name: 'Begin' }).click();
    await expect(nells.getByText('Nobody here is called nobody_here.')).toBeVisible();
    await nells.getByLabel('Write to').fill(ify.username);
    await nells.getByRole('button', { name: 'Begin' }).click();
    await writing(nells).fill('Plain words');
    await nells.getByRole('button', { name: 'Send' }).click();
    await ifys.goto(nells.url().replace(/#.*/, ''));
    await hears(ifys, 'Plain words');
  });
});
