// The composer’s counter counts characters as people see them, not bytes or code points.
import { expect, test } from './server.js';
import { composer, feed, nell } from './people.js';

test.beforeEach(async ({ chitter, page }) => {
  await chitter.signUp(page, nell);
});

const FAMILY = '👨‍👩‍👧‍👦';

for (const [name, text, left] of [
  ['letters', 'hello', 275],
  ['an emoji family', FAMILY, 279],
  ['a flag', '🇳🇴', 279],
  ['a letter with marks of its own', 'e\u0302\u0301', 279],
  ['Vietnamese', 'Nguyễn Thị Hà', 267],
  ['Arabic with vowels', 'خُبْز', 277],
  ['a line break', 'a\nb', 277],
]) {
  test(`the counter counts ${name} as people do`, async ({ page }) => {
    const count = page.locator('form[action="/peeps"] .count');
    await expect(count).toContainText('280 left');
    await composer(page).fill(text);
    await expect(count).toContainText(`${left} left`);
    await composer(page).fill('');
    await expect(count).toContainText('280 left');
  });
}

test('a peep holds 280 emoji families', async ({ page }) => {
  await composer(page).fill(FAMILY.repeat(280));
  await expect(page.locator('form[action="/peeps"] .count')).toContainText('0 left');
  await page.getByRole('button', { name: 'Peep', exact: true }).click();
  await expect(feed(page).locator('.body')).toHaveText([FAMILY.repeat(280)]);
  await expect(composer(page)).toHaveValue('');
});

test('a peep of 281 characters is refused and its text kept', async ({ page }) => {
  const text = 'x'.repeat(281);
  await composer(page).fill(text);
  await page.getByRole('button', { name: 'Peep', exact: true }).click();
  await expect(composer(page)).toHaveAttribute('aria-invalid', 'true');
  await expect(composer(page)).toHaveAccessibleDescription(/280|too long|1 character/);
  await expect(composer(page)).toHaveValue(text);

  // With one character fewer it is posted.
  await composer(page).fill(text.slice(1));
  await page.getByRole('button', { name: 'Peep', exact: true }).click();
  await expect(feed(page).locator('.body')).toHaveText([text.slice(1)]);
});

test('an empty peep is not posted', async ({ page }) => {
  await composer(page).fill('  \n ');
  await page.getByRole('button', { name: 'Peep', exact: true }).click();
  await expect(composer(page)).toHaveAttribute('aria-invalid', 'true');
  await page.goto('/');
  await expect(feed(page)).toHaveCount(0);
});

test('the composer is empty, counts from 280 and has the focus after a peep', async ({ page }) => {
  await composer(page).fill('One of many.');
  await page.getByRole('button', { name: 'Peep', exact: true }).click();
  await expect(feed(page)).toHaveCount(1);
  await expect(composer(page)).toHaveValue('');
  await expect(composer(page)).toBeFocused();
  await expect(page.locator('form[action="/peeps"] .count')).toContainText('280 left');
});

test('text that is typed while a peep is being sent is kept', async ({ page }) => {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  await page.route('**/peeps', async (route) => {
    await released;
    await route.continue();
  });
  await composer(page).fill('One of many.');
  await page.getByRole('button', { name: 'Peep', exact: true }).click();
  await composer(page).fill('And another');
  release();
  await expect(feed(page)).toHaveCount(1);
  await expect(composer(page)).toHaveValue('And another');
});
