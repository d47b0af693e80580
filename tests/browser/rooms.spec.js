// A room: a name, a link, and everyone is in. Nell is a member, Teo a guest, and somebody else comes by
// a private window.
import { expect, test } from './server.js';
import { fillSignUp, ify, nell } from './people.js';

/** Opens a room as somebody who has a name, and leads into it. */
async function openRoom(page, name) {
  await page.goto('/rooms');
  await page.getByLabel('A new room').fill(name);
  await page.getByRole('button', { name: 'Open it' }).click();
  await expect(page.getByRole('heading', { name })).toBeVisible();
  return page.url();
}

/** Follows a link without an account: one question, and one is in. */
async function comeIn(page, link, name) {
  await page.goto(link);
  await expect(page.getByRole('heading', { name: 'What should we call you?' })).toBeVisible();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Come in' }).click();
  await expect(page).toHaveURL(link);
}

const writing = (page) => page.getByLabel('Your message');

async function say(page, words) {
  await page.waitForFunction(() => customElements.get('chat-conversation')); // Enter is the script's
  await writing(page).fill(words);
  await writing(page).press('Enter');
}

const messages = (page) => page.locator('.message');

/** The message on this page that says `words`. */
const saying = (page, words) => messages(page).filter({ has: page.locator('.body', { hasText: words }) });

/** The words of all messages, from the top; none of them still on its way. */
async function expectSaid(page, words) {
  await expect(page.locator('.message .body')).toHaveText(words);
  await expect(page.locator('.message:is(.sending, .failed)')).toHaveCount(0);
}

test('a member makes a room, a guest comes by its link, and a private window is somebody else', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Repair café, Saturday');
  await nells.getByRole('button', { name: 'Share' }).click();
  await expect(nells.getByRole('textbox', { name: 'Link' })).toHaveValue(link);
  await expect(nells.getByRole('img', { name: /The same link/ })).toBeVisible();
  await nells.keyboard.press('Escape');

  const teos = await visit();
  await comeIn(teos, link, 'Teo');
  await say(nells, 'Three tables, one kettle.');
  await say(teos, 'Do you do toasters?');
  for (const page of [nells, teos]) {
    await expectSaid(page, ['Three tables, one kettle.', 'Do you do toasters?']);
    await expect(page.locator('[data-presence]')).toHaveText('2 here, 1 as a guest');
  }
  await expect(saying(nells, 'toasters').locator('.author')).toContainText('Teo guest');
  await expect(saying(teos, 'toasters')).toHaveClass(/\bown\b/);
  await expect(saying(nells, 'toasters')).not.toHaveClass(/\bown\b/);

  // The same person in every tab, and in every room.
  const tab = await teos.context().newPage();
  await tab.goto(link);
  await expect(writing(tab)).toBeVisible();
  await say(tab, 'Me again, in another tab.');
  await expectSaid(teos, ['Three tables, one kettle.', 'Do you do toasters?', 'Me again, in another tab.']);
  await expect(nells.locator('[data-presence]')).toHaveText('2 here, 1 as a guest');
  const other = await openRoom(teos, 'Toasters alone');
  await expect(teos.getByText('You are here as a guest.')).toBeVisible();

  // Somebody else in a private window, who happens to be called the same.
  const strangers = await visit();
  await comeIn(strangers, other, 'Teo');
  await say(strangers, 'So am I.');
  await expect(saying(teos, 'So am I.').locator('.author')).toContainText('Teo 2');
});

test('nobody comes in under a member’s name', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await teos.goto(link);
  for (const name of ['Nell', 'NELL ASHBY', 'Νell', 'admin', ' ']) {
    await teos.getByLabel('Name').fill(name);
    await teos.getByRole('button', { name: 'Come in' }).click();
    await expect(teos.getByLabel('Name')).toHaveAttribute('aria-invalid', 'true');
    await expect(teos.getByLabel('Name')).toBeFocused();
  }
  await teos.getByLabel('Name').fill('Teo');
  await teos.getByRole('button', { name: 'Come in' }).click();
  await expect(writing(teos)).toBeVisible();
});

test('a guest who signs up keeps the room and every word', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const ifys = await visit();
  await comeIn(ifys, link, 'Ify');
  await say(ifys, 'I was a guest when I said this.');
  await expectSaid(nells, ['I was a guest when I said this.']);
  await ifys.getByRole('main').getByRole('link', { name: 'Join', exact: true }).click();
  await fillSignUp(ifys, ify);
  await ifys.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(ifys).toHaveURL(link);
  await expect(saying(ifys, 'I was a guest')).toHaveClass(/\bown\b/);
  await nells.reload();
  await expect(saying(nells, 'I was a guest').locator('.author')).toContainText(ify.name);
  await expect(saying(nells, 'I was a guest').locator('.tag')).toHaveCount(0);
});

test('what could not be sent says so, survives a reload, and goes when there is a connection', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await comeIn(teos, link, 'Teo');
  await say(teos, 'Before the tunnel.');
  await expectSaid(nells, ['Before the tunnel.']);

  // The server can't be reached, and the page can be loaded all the same: a flaky line.
  const lost = (route) => route.abort('internetdisconnected');
  await teos.route('**/messages', lost);
  await say(teos, 'In the tunnel.');
  await say(teos, 'Still in it.');
  for (const words of ['In the tunnel.', 'Still in it.']) {
    await expect(saying(teos, words)).toHaveClass(/failed/);
    await expect(saying(teos, words).getByRole('button', { name: 'Retry' })).toBeVisible();
  }
  await saying(teos, 'Still in it.').getByRole('button', { name: 'Delete' }).click();
  await expect(saying(teos, 'Still in it.')).toHaveCount(0);
  await writing(teos).fill('And this is not finished');
  await teos.reload();
  await expect(saying(teos, 'In the tunnel.')).toHaveClass(/failed/);
  await expect(writing(teos)).toHaveValue('And this is not finished');
  await teos.unroute('**/messages', lost);
  await saying(teos, 'In the tunnel.').getByRole('button', { name: 'Retry' }).click();
  for (const page of [teos, nells]) await expectSaid(page, ['Before the tunnel.', 'In the tunnel.']);
  await teos.reload();
  await expectSaid(teos, ['Before the tunnel.', 'In the tunnel.']);
});

test('who was offline or met a restart has missed nothing and says nothing twice', async ({ chitter, visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await comeIn(teos, link, 'Teo');
  await say(nells, 'one');
  await expectSaid(teos, ['one']);
  await teos.context().setOffline(true);
  await say(nells, 'two');
  await say(nells, 'three');
  await expectSaid(nells, ['one', 'two', 'three']);
  await say(teos, 'from the tunnel');
  await expect(saying(teos, 'from the tunnel')).toHaveClass(/failed/);
  await teos.context().setOffline(false);
  const all = ['one', 'two', 'three', 'from the tunnel'];
  for (const page of [teos, nells]) await expectSaid(page, all);

  await chitter.restart();
  await say(nells, 'after the restart');
  for (const page of [teos, nells]) await expectSaid(page, [...all, 'after the restart']);
  await chitter.stop();
  await say(nells, 'while nobody was there');
  await expect(saying(nells, 'while nobody was there')).toHaveClass(/failed/);
  await chitter.start();
  await saying(nells, 'while nobody was there').getByRole('button', { name: 'Retry' }).click();
  for (const page of [teos, nells]) await expectSaid(page, [...all, 'after the restart', 'while nobody was there']);
});

test('messages are answered, reacted to, changed and taken back', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await comeIn(teos, link, 'Teo');
  await say(teos, 'Is the slip free on Sunday?');
  await saying(nells, 'Is the slip free').hover();
  await nells.getByRole('button', { name: 'Reply' }).click();
  await say(nells, 'From nine.');
  await expect(saying(teos, 'From nine.').locator('.quote')).toContainText('Is the slip free on Sunday?');

  await saying(teos, 'From nine.').hover();
  await teos.getByRole('button', { name: 'React' }).click();
  await teos.getByRole('button', { name: '🎉' }).click();
  const reaction = saying(nells, 'From nine.').locator('.reaction');
  await expect(reaction).toHaveText('🎉 1');
  await expect(reaction).toHaveAttribute('aria-pressed', 'false');
  await reaction.click();
  await expect(reaction).toHaveText('🎉 2');
  await expect(reaction).toHaveAttribute('aria-pressed', 'true');
  await reaction.click();
  await expect(saying(teos, 'From nine.').locator('.reaction')).toHaveText('🎉 1');

  // One's last words, by the arrow key.
  await writing(nells).press('ArrowUp');
  await nells.locator('.edit-form textarea').fill('From ten, sorry.');
  await nells.keyboard.press('Enter');
  for (const page of [nells, teos]) {
    await expect(saying(page, 'From ten, sorry.').locator('.edited')).toHaveText('edited');
  }

  await saying(nells, 'Is the slip free').hover();
  const remove = nells.locator('.message-actions').getByRole('button', { name: 'Delete' });
  await remove.click();
  await expect(nells.locator('.message-actions').getByText('Delete it?')).toBeVisible();
  await nells.getByRole('button', { name: 'Delete it?' }).click();
  for (const page of [nells, teos]) await expect(messages(page).first()).toHaveText(/This message was deleted/);
  await expect(saying(teos, 'From ten, sorry.').locator('.quote')).not.toContainText('Is the slip free');
});

test('a long word breaks in the field as it does in the bubble, and what was said can be taken along', async ({ visit }) => {
  const nells = await visit(nell);
  await nells.setViewportSize({ width: 390, height: 844 });
  const link = await openRoom(nells, 'Slipway');
  const long = `https://harbour.example/${'slip'.repeat(60)}`;
  await writing(nells).fill(long);
  const wide = () => nells.evaluate(() => document.documentElement.scrollWidth);
  expect(await wide()).toBe(390);
  await nells.getByRole('button', { name: 'Send' }).click();
  await expect(messages(nells).locator('.body a')).toHaveAttribute('href', long);
  expect(await wide()).toBe(390);
  await nells.goto(`${link}/about`);
  for (const kind of ['To read (HTML)', 'For programs (JSON)']) {
    const coming = nells.waitForEvent('download');
    await nells.getByRole('link', { name: kind }).click();
    expect(await (await coming).failure()).toBe(null);
  }
});

test('who types and who is here is told', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await comeIn(teos, link, 'Teo');
  await expect(nells.locator('[data-presence]')).toHaveText('2 here, 1 as a guest');
  await writing(teos).pressSequentially('Hm');
  await expect(nells.locator('[data-typing]')).toHaveText('Teo is typing');
  await writing(teos).press('Enter');
  await expect(nells.locator('[data-typing]')).toHaveText('');
});

test('what is new waits below, is counted in the title, and is marked for who comes back', async ({ request, visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const key = link.split('/').pop();
  const teo = await (await request.post('/api/v1/sessions', { data: { name: 'Teo' } })).json();
  const speak = (body) =>
    request.post(`/api/v1/rooms/${key}/messages`, { data: { body }, headers: { authorization: `Bearer ${teo.token}` } });
  for (let n = 1; n <= 120; n++) await speak(`word ${n}`);
  await expect(saying(nells, 'word 120')).toBeInViewport();

  // Older ones come as one scrolls up, and what one reads stays where it is.
  await nells.reload();
  await expect(messages(nells)).toHaveCount(50);
  await saying(nells, /^word 71$/).scrollIntoViewIfNeeded();
  await expect(messages(nells).first().locator('.body')).toHaveText(/^word (1|21)$/);
  await expect(saying(nells, /^word 71$/)).toBeInViewport();
  const words = await nells.locator('.message .body').allTextContents();
  expect(words).toEqual([...words].sort((a, b) => Number(a.slice(5)) - Number(b.slice(5))));

  const before = await saying(nells, /^word 71$/).boundingBox();
  await speak('word 121');
  await expect(nells.getByRole('button', { name: '1 new message' })).toBeVisible();
  await expect(nells).toHaveTitle(/^\(1\) Slipway/);
  // To the pixel: browsers scroll in fractions of it.
  expect(Math.abs((await saying(nells, /^word 71$/).boundingBox()).y - before.y)).toBeLessThanOrEqual(1);
  await nells.getByRole('button', { name: '1 new message' }).click();
  await expect(saying(nells, 'word 121')).toBeInViewport();
  await expect(nells).toHaveTitle(/^Slipway/);

  await nells.goto('/rooms');
  await speak('word 122');
  await expect(async () => {
    await nells.reload();
    await expect(nells.locator('.nav-list .badge')).toHaveText('1 unread', { timeout: 500 });
  }).toPass();
  await nells.goto(link);
  await expect(nells.locator('.unread-divider + .message')).toContainText('word 122');
});

test('pictures are shown without jumping, other files are only downloaded', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await comeIn(teos, link, 'Teo');
  const png = await teos.evaluate(async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 200 });
    canvas.getContext('2d').fillRect(20, 20, 100, 100);
    const blob = await new Promise((done) => canvas.toBlob(done));
    return [...new Uint8Array(await blob.arrayBuffer())];
  });
  await teos.locator('[data-files]').setInputFiles([
    { name: 'hall.png', mimeType: 'image/png', buffer: Buffer.from(png) },
    { name: 'trap.html', mimeType: 'text/html', buffer: Buffer.from('<script>window.caught = 1</script>') },
  ]);
  await expect(teos.locator('[data-attachments] progress')).toHaveCount(0);
  await expect(teos.locator('[data-attachments] li')).toHaveCount(2);
  await say(teos, 'The plan, and a trap.');
  const picture = saying(nells, 'The plan').locator('img');
  await expect(picture).toHaveAttribute('width', '320');
  await expect(picture).toHaveAttribute('height', '200');
  await expect.poll(() => picture.evaluate((image) => image.naturalWidth)).toBe(320);
  const download = nells.waitForEvent('download');
  await saying(nells, 'The plan').locator('a.file').click();
  expect((await download).suggestedFilename()).toBe('trap.html');

  // Pasted and dropped ones, too.
  for (const [kind, where] of [['paste', '#message'], ['drop', 'chat-conversation']]) {
    await teos.evaluate(
      ([kind, where, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], `${kind}.png`, { type: 'image/png' }));
        const event = kind === 'paste' ? new ClipboardEvent(kind, { clipboardData: data, bubbles: true }) : new DragEvent(kind, { dataTransfer: data, bubbles: true });
        document.querySelector(where).dispatchEvent(event);
      },
      [kind, where, png],
    );
    await expect(teos.locator('[data-attachments] li')).toContainText(`${kind}.png`);
    await expect(teos.locator('[data-attachments] progress')).toHaveCount(0);
    await writing(teos).press('Enter');
    await expect(nells.locator(`img[alt="${kind}.png"]`)).toHaveCount(1);
  }
});

test('the owner removes somebody, who is out at once and can’t come back', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await comeIn(teos, link, 'Teo');
  await say(teos, 'Hello');
  await nells.goto(`${link}/about`);
  await nells.getByRole('button', { name: 'Remove Teo' }).click();
  await expect(teos).toHaveURL(/\/rooms(\?left)?$/);
  await expect(teos.getByText('You are not in that room any more.')).toBeVisible();
  await teos.goto(link);
  await expect(teos.getByText('You were asked to leave this room.')).toBeVisible();
  const again = await visit();
  await again.goto(link);
  await again.getByLabel('Name').fill('Theo');
  await again.getByRole('button', { name: 'Come in' }).click();
  await expect(again.getByText('You were asked to leave this room.')).toBeVisible();
});

test('the owner renames and locks the room, and makes a new link', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await comeIn(teos, link, 'Teo');
  await nells.goto(`${link}/about`);
  await nells.getByLabel('Name', { exact: true }).fill('Slipway rota');
  await nells.getByRole('switch', { name: /Locked/ }).check();
  await nells.getByRole('button', { name: 'Save' }).click();
  await expect(teos.getByRole('heading', { name: 'Slipway rota' })).toBeVisible();
  await expect(teos.getByText('This room is locked')).toBeVisible();
  await expect(writing(teos)).toBeHidden();
  await nells.getByRole('button', { name: 'Make a new link' }).click();
  await expect(teos).not.toHaveURL(link);
  const newcomers = await visit();
  await newcomers.goto(link);
  await expect(newcomers.getByRole('heading', { name: 'Nothing here' })).toBeVisible();
  await comeIn(newcomers, teos.url(), 'Oskar');
  // Those inside who have the old link in a bookmark are led to the new one.
  await teos.goto(link);
  await expect(teos).toHaveURL(newcomers.url());
});

test('a room can be searched', async ({ visit }) => {
  const nells = await visit(nell);
  await openRoom(nells, 'Slipway');
  await say(nells, 'The café opens at nine.');
  await say(nells, 'Bring a kettle.');
  await expect(messages(nells)).toHaveCount(2);
  await nells.getByRole('button', { name: 'More about this room' }).click();
  await nells.getByRole('link', { name: 'Search this room' }).click();
  await nells.getByLabel('Words').fill('CAFE nine');
  await nells.getByRole('button', { name: 'Search' }).click();
  await expect(nells.locator('.body')).toHaveText(['The café opens at nine.']);
  await nells.locator('.entries a').click();
  await expect(messages(nells).first()).toBeInViewport();
});

test('the keyboard alone is enough', async ({ visit }) => {
  const nells = await visit(nell);
  await openRoom(nells, 'Slipway');
  await say(nells, 'first');
  await say(nells, 'second');
  await expectSaid(nells, ['first', 'second']);
  await writing(nells).fill('two');
  await writing(nells).press('Shift+Enter');
  await writing(nells).pressSequentially('lines');
  await writing(nells).press('Enter');
  await expect(messages(nells).last().locator('.body')).toHaveText('two lines', { useInnerText: false });
  await nells.locator('[data-scroll]').focus();
  await nells.keyboard.press('ArrowUp');
  await nells.keyboard.press('ArrowUp');
  await expect(saying(nells, 'second')).toBeFocused();
  await nells.keyboard.press('Tab');
  await expect(nells.locator('.message-actions').getByRole('button', { name: 'React' })).toBeFocused();
  await nells.keyboard.press('Enter');
  await nells.getByRole('button', { name: '👀' }).press('Enter');
  await expect(saying(nells, 'second').locator('.reaction')).toHaveText('👀 1');
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });

  test('a room is read, written in, and leafed through', async ({ page, request }) => {
    const teo = await (await request.post('/api/v1/sessions', { data: { name: 'Teo' } })).json();
    const headers = { authorization: `Bearer ${teo.token}` };
    const room = await (await request.post('/api/v1/rooms', { data: { name: 'Slipway' }, headers })).json();
    for (let n = 1; n <= 60; n++) {
      await request.post(`/api/v1/rooms/${room.key}/messages`, { data: { body: `word ${n}` }, headers });
    }
    await comeIn(page, `/rooms/${room.key}`, 'Oskar');
    await expect(messages(page)).toHaveCount(50);
    await expect(saying(page, 'word 60')).toBeInViewport();
    await page.getByRole('link', { name: 'Older messages' }).click();
    await expect(messages(page)).toHaveCount(10);
    await page.getByRole('link', { name: 'Newest messages' }).click();
    await writing(page).fill('Said without scripts.');
    await page.getByRole('button', { name: 'Send' }).click();
    await expect(messages(page).last()).toContainText('Said without scripts.');
    await page.getByRole('button', { name: 'Send' }).click();
    await expect(page.getByRole('alert')).toHaveText('Write something first.');
  });
});
