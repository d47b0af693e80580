// Pages used by the keyboard alone.
import { expect, test } from './server.js';
import { composer, feed, ify, nell, peep, peepWith } from './people.js';

/** Presses Tab until `target` has the focus. Fails after 60 stops. */
async function tabTo(page, target) {
  for (let stops = 0; stops < 60; stops++) {
    await page.keyboard.press('Tab');
    if (await target.evaluate((element) => element === document.activeElement)) return;
  }
  throw new Error('60 Tab stops did not reach the element');
}

test('the first Tab stop is a link that skips to the content', async ({ page, visit }) => {
  await peep(await visit(nell), 'Bread at six.');
  await page.goto('/');
  await page.keyboard.press('Tab');
  const skip = page.locator(':focus');
  await expect(skip).toHaveAttribute('href', '#main');
  await expect(skip).toBeInViewport({ ratio: 1 });

  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await expect
    .poll(() => page.evaluate(() => document.getElementById('main').contains(document.activeElement)))
    .toBe(true);
});

test('a peep is written and posted by the keyboard alone', async ({ chitter, page }) => {
  await chitter.signUp(page, nell);
  await page.goto('/');
  await tabTo(page, composer(page));
  await page.keyboard.type('First line');
  await page.keyboard.press('Enter');
  await page.keyboard.type('second line');
  await expect(composer(page)).toHaveValue('First line\nsecond line');
  await page.keyboard.press('Control+Enter');
  await expect(feed(page).locator('.body')).toHaveText(['First line\nsecond line'], { useInnerText: true });
  await expect(composer(page)).toHaveValue('');
});

test('a like is given and taken back by the keyboard alone', async ({ page, visit, chitter }) => {
  await peep(await visit(nell), 'Bread at six.');
  await chitter.signUp(page, ify);
  const like = peepWith(page, 'Bread at six.').getByRole('button', { name: /^Like/ });
  await tabTo(page, like);
  await page.keyboard.press('Space');
  await expect(like).toHaveAttribute('aria-pressed', 'true');
  await expect(like).toBeFocused();
  await page.keyboard.press('Space');
  await expect(like).toHaveAttribute('aria-pressed', 'false');
});

test('the element with the focus shows it', async ({ chitter, page }) => {
  await chitter.signUp(page, nell);
  await peep(page, 'Bread at six, #bread by @nell.');
  await page.goto('/');
  for (let stop = 1; ; stop++) {
    await page.keyboard.press('Tab');
    const focusedHtml = await page.evaluate(() => {
      const focused = document.activeElement;
      return focused === document.body ? null : focused.outerHTML.slice(0, 200);
    });
    if (focusedHtml === null) {
      expect(stop, 'a signed-in stream has many stops').toBeGreaterThan(8);
      break;
    }
    expect(stop, 'the focus does not leave the page').toBeLessThan(80);
    // The next Tab continues from here also after blur().
    const focused = await page.screenshot();
    await page.evaluate(() => document.activeElement.blur());
    const blurred = await page.screenshot();
    expect(focused.equals(blurred), `no visible focus on ${focusedHtml}`).toBe(false);
  }
});
