// The site without JavaScript: everything except live updates works by plain links and forms.
import { expect, test } from './server.js';
import {
  composer,
  deletePeep,
  email,
  feed,
  fillSignUp,
  ify,
  joerg,
  layla,
  logIn,
  nell,
  openPeep,
  peep,
  program,
  peepWith,
  PASSWORD,
} from './people.js';

test.use({ javaScriptEnabled: false });

test('a visitor reads the stream, joins and sees the composer', async ({ page, visit }) => {
  await peep(await visit(nell), 'Good morning, harbour.');
  await page.goto('/');
  await expect(peepWith(page, 'Good morning')).toHaveCount(1);
  await expect(composer(page)).toHaveCount(0);

  await page.goto('/signup');
  await fillSignUp(page, ify);
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(page).toHaveURL('/');
  await expect(composer(page)).toBeVisible();
});

test('a taken username is refused beside its field, and the rest of the form is kept', async ({ page, visit }) => {
  await visit(nell);
  await page.goto('/signup');
  await fillSignUp(page, { ...ify, username: 'NELL', email: email(ify) });
  await page.getByRole('button', { name: 'Join', exact: true }).click();

  const username = page.locator('[name=username]');
  await expect(username).toHaveAttribute('aria-invalid', 'true');
  await expect(username).toHaveAccessibleDescription(/taken/);
  await expect(username).toHaveValue('NELL');
  await expect(page.locator('[name=name]')).toHaveValue(ify.name);
  await expect(page.locator('[name=email]')).toHaveValue(email(ify));
  await expect(page.locator('[aria-invalid=true]')).toHaveCount(1);

  // The kept form can be sent again.
  await username.fill(ify.username);
  await page.locator('[name=password]').fill(PASSWORD);
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(composer(page)).toBeVisible();
});

test('a taken email address is refused whatever its case', async ({ page, visit }) => {
  await visit(nell);
  await page.goto('/signup');
  await fillSignUp(page, { ...ify, email: 'Nell@Harbour.example' });
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(page.locator('[name=email]')).toHaveAttribute('aria-invalid', 'true');
  await expect(page.locator('[name=email]')).toHaveValue('Nell@Harbour.example');
  await expect(page.locator('[name=username]')).toHaveValue('ify');
});

test('a peep is posted once, also when the page is reloaded', async ({ chitter, page }) => {
  await chitter.signUp(page, nell);
  await peep(page, 'Good morning, harbour.\nAnd good tide.');
  await page.reload();
  await page.reload();
  await expect(feed(page)).toHaveCount(1);
  await expect(feed(page).locator('.body')).toHaveText('Good morning, harbour.\nAnd good tide.', {
    useInnerText: true,
  });
  await expect(composer(page)).toHaveValue('');
});

test('a peep of 281 characters is refused and its text kept', async ({ chitter, page }) => {
  await chitter.signUp(page, nell);
  const text = 'é'.repeat(281);
  await composer(page).fill(text);
  await page.getByRole('button', { name: 'Peep', exact: true }).click();
  await expect(composer(page)).toHaveValue(text);
  await expect(composer(page)).toHaveAttribute('aria-invalid', 'true');
  await expect(composer(page)).toHaveAccessibleDescription(/280|too long|1 character/);

  await page.goto('/');
  await expect(feed(page)).toHaveCount(0);
});

test('a reply is shown below its parent, and the parent above the reply', async ({ chitter, page, visit }) => {
  await peep(await visit(nell), 'Who mends hub gears?');
  await chitter.signUp(page, joerg);
  await openPeep(page, 'Who mends hub gears?');
  await page.getByLabel('Your reply').fill('I do. Saturday, behind the tram stop.');
  await page.getByRole('button', { name: 'Reply', exact: true }).click();

  await openPeep(page, 'I do. Saturday');
  const bodies = page.locator('article.peep .body');
  await expect(bodies).toHaveText(['Who mends hub gears?', 'I do. Saturday, behind the tram stop.']);
  await openPeep(page, 'Who mends hub gears?');
  await expect(bodies).toHaveText(['Who mends hub gears?', 'I do. Saturday, behind the tram stop.']);
});

test('an edit is marked, and the earlier version stays readable', async ({ chitter, page, visit }) => {
  await chitter.signUp(page, nell);
  await peep(page, 'The ferry leaves at nine.');
  await openPeep(page, 'The ferry leaves');
  const address = page.url();
  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  await expect(page).toHaveURL(`${address}/edit`);
  const field = page.getByRole('main').locator('textarea');
  await expect(field).toHaveValue('The ferry leaves at nine.');
  await field.fill('The ferry leaves at ten.');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(peepWith(page, 'The ferry leaves at ten.')).toHaveCount(1);

  const visitors = await visit();
  await visitors.goto(address);
  await visitors.getByRole('link', { name: 'edited' }).click();
  await expect(visitors).toHaveURL(`${address}/history`);
  await expect(visitors.getByRole('main')).toContainText('The ferry leaves at nine.');
  await expect(visitors.getByRole('main')).toContainText('The ferry leaves at ten.');
});

test('a peep offers Edit and Delete to its author alone', async ({ chitter, page, visit }) => {
  await chitter.signUp(page, nell);
  await peep(page, 'The ferry leaves at nine.');
  await openPeep(page, 'The ferry leaves');
  await expect(page.getByRole('link', { name: 'Edit', exact: true })).toBeVisible();

  const ifys = await visit(ify);
  await ifys.goto(page.url());
  await expect(peepWith(ifys, 'The ferry leaves')).toHaveCount(1);
  await expect(ifys.getByRole('link', { name: 'Edit', exact: true })).toHaveCount(0);
  await expect(ifys.getByRole('link', { name: 'Delete', exact: true })).toHaveCount(0);
});

test('a like is given and taken back', async ({ chitter, page, visit }) => {
  await peep(await visit(nell), 'Bread at six.');
  await chitter.signUp(page, ify);
  const like = peepWith(page, 'Bread at six.').getByRole('button', { name: /^Like/ });
  await expect(like).toHaveAttribute('aria-pressed', 'false');
  await like.click();
  await expect(like).toHaveAttribute('aria-pressed', 'true');
  await expect(like).toHaveText(/1/);
  await like.click();
  await expect(like).toHaveAttribute('aria-pressed', 'false');
});

test('a deleted peep is gone from the stream and from its own address', async ({ chitter, page }) => {
  await chitter.signUp(page, nell);
  await peep(page, 'I take it back.');
  await openPeep(page, 'I take it back.');
  const address = page.url();
  await deletePeep(page);
  await expect(feed(page)).toHaveCount(0);
  const response = await page.goto(address);
  expect([404, 410]).toContain(response.status());
});

test('older peeps are on linked pages, each on one page and none missing', async ({ page, request }) => {
  const all = await (await program(request, layla)).fill(65);
  await page.goto('/');
  const older = page.getByRole('link', { name: 'Older peeps' });
  const texts = await feed(page).locator('.body').allTextContents();
  expect(texts.length, 'the first page has every peep, so this test shows nothing').toBeLessThan(all.length);
  while (await older.count()) {
    await older.click();
    await expect(page).toHaveURL(/\?before=\d+/);
    texts.push(...(await feed(page).locator('.body').allTextContents()));
    expect(texts.length).toBeLessThanOrEqual(all.length);
  }
  expect(texts.map((text) => text.trim())).toEqual(all);
});

test('a member logs out, and back in by email or by username', async ({ chitter, page }) => {
  await chitter.signUp(page, nell);
  for (const login of ['Nell@harbour.example', 'NELL']) {
    await page.goto('/settings');
    const logOut = page.getByRole('button', { name: 'Log out', exact: true });
    await logOut.click();
    await expect(logOut).toHaveCount(0);
    await page.goto('/');
    await expect(composer(page)).toHaveCount(0);

    await logIn(page, login);
    await expect(composer(page)).toBeVisible();
  }
});

test('a wrong password is refused, and the login is kept', async ({ page, visit }) => {
  await visit(nell);
  await logIn(page, 'nell', 'a swan on the slip');
  await expect(page.locator('[name=login]')).toHaveValue('nell');
  await expect(page.locator('[name=password]')).toHaveValue('');
  await expect(page.locator('[aria-invalid=true], [role=alert]')).not.toHaveCount(0);
  await page.goto('/');
  await expect(composer(page)).toHaveCount(0);
});

test('a session outlives a restart of the server', async ({ chitter, page }) => {
  await chitter.signUp(page, nell);
  await chitter.restart();
  await page.goto('/');
  await expect(composer(page)).toBeVisible();
});
