// Rooms: anyone with the link can join. Nell is a member, Teo a guest.
import { expect, test } from './server.js';
import { fillSignUp, ify, nell } from './people.js';

/** Opens a room as a member or a guest. Returns its link. */
async function openRoom(page, name) {
  await page.goto('/rooms');
  await page.getByLabel('A new room').fill(name);
  await page.getByRole('button', { name: 'Open it' }).click();
  await expect(page.getByRole('heading', { name })).toBeVisible();
  return page.url();
}

/** Joins a room by its link as a guest, who is asked for a name only. */
async function joinAsGuest(page, link, name) {
  await page.goto(link);
  await expect(page.getByRole('heading', { name: 'What should we call you?' })).toBeVisible();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Come in' }).click();
  await expect(page).toHaveURL(link);
}

const messageField = (page) => page.getByLabel('Your message');

async function sendMessage(page, text) {
  await page.waitForFunction(() => customElements.get('chat-conversation')); // Enter sends only by script
  await messageField(page).fill(text);
  await messageField(page).press('Enter');
}

const messages = (page) => page.locator('.message');

/** The message on this page with this text. */
const messageWith = (page, text) => messages(page).filter({ has: page.locator('.body', { hasText: text }) });

/** Expects the texts of all messages, from the top, and none of them pending. */
async function expectMessages(page, texts) {
  await expect(page.locator('.message .body')).toHaveText(texts);
  await expect(page.locator('.message:is(.sending, .failed)')).toHaveCount(0);
}

test('a room is opened by a member and joined by guests, one for each browser', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Repair café, Saturday');
  await nells.getByRole('button', { name: 'Share' }).click();
  await expect(nells.getByRole('textbox', { name: 'Link' })).toHaveValue(link);
  await expect(nells.getByRole('img', { name: /The same link/ })).toBeVisible();
  await nells.keyboard.press('Escape');

  const teos = await visit();
  await joinAsGuest(teos, link, 'Teo');
  await sendMessage(nells, 'Three tables, one kettle.');
  await sendMessage(teos, 'Do you do toasters?');
  for (const page of [nells, teos]) {
    await expectMessages(page, ['Three tables, one kettle.', 'Do you do toasters?']);
    await expect(page.locator('[data-presence]')).toHaveText('2 here, 1 as a guest');
  }
  await expect(messageWith(nells, 'toasters').locator('.author')).toContainText('Teo guest');
  await expect(messageWith(teos, 'toasters')).toHaveClass(/\bown\b/);
  await expect(messageWith(nells, 'toasters')).not.toHaveClass(/\bown\b/);

  // A guest is the same person in every tab and every room.
  const tab = await teos.context().newPage();
  await tab.goto(link);
  await expect(messageField(tab)).toBeVisible();
  await sendMessage(tab, 'Me again, in another tab.');
  await expectMessages(teos, ['Three tables, one kettle.', 'Do you do toasters?', 'Me again, in another tab.']);
  await expect(nells.locator('[data-presence]')).toHaveText('2 here, 1 as a guest');
  const other = await openRoom(teos, 'Toasters alone');
  await expect(teos.getByText('You are here as a guest.')).toBeVisible();

  // Another browser is another guest, here with the same name.
  const strangers = await visit();
  await joinAsGuest(strangers, other, 'Teo');
  await sendMessage(strangers, 'So am I.');
  await expect(messageWith(teos, 'So am I.').locator('.author')).toContainText('Teo 2');
});

test('a guest cannot take a member’s name', async ({ visit }) => {
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
  await expect(messageField(teos)).toBeVisible();
});

test('a guest who signs up keeps the room and every word', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const ifys = await visit();
  await joinAsGuest(ifys, link, 'Ify');
  await sendMessage(ifys, 'I was a guest when I said this.');
  await expectMessages(nells, ['I was a guest when I said this.']);
  await ifys.getByRole('main').getByRole('link', { name: 'Join', exact: true }).click();
  await fillSignUp(ifys, ify);
  await ifys.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(ifys).toHaveURL(link);
  await expect(messageWith(ifys, 'I was a guest')).toHaveClass(/\bown\b/);
  await nells.reload();
  await expect(messageWith(nells, 'I was a guest').locator('.author')).toContainText(ify.name);
  await expect(messageWith(nells, 'I was a guest').locator('.tag')).toHaveCount(0);
});

test('an unsent message says so, survives a reload, and is sent when there is a connection', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await joinAsGuest(teos, link, 'Teo');
  await sendMessage(teos, 'Before the tunnel.');
  await expectMessages(nells, ['Before the tunnel.']);

  // Messages cannot be sent, but pages can be loaded, as on a flaky connection.
  const disconnect = (route) => route.abort('internetdisconnected');
  await teos.route('**/messages', disconnect);
  await sendMessage(teos, 'In the tunnel.');
  await sendMessage(teos, 'Still in it.');
  for (const text of ['In the tunnel.', 'Still in it.']) {
    await expect(messageWith(teos, text)).toHaveClass(/failed/);
    await expect(messageWith(teos, text).getByRole('button', { name: 'Retry' })).toBeVisible();
  }
  await messageWith(teos, 'Still in it.').getByRole('button', { name: 'Delete' }).click();
  await expect(messageWith(teos, 'Still in it.')).toHaveCount(0);
  await messageField(teos).fill('And this is not finished');
  await teos.reload();
  await expect(messageWith(teos, 'In the tunnel.')).toHaveClass(/failed/);
  await expect(messageField(teos)).toHaveValue('And this is not finished');
  await teos.unroute('**/messages', disconnect);
  await messageWith(teos, 'In the tunnel.').getByRole('button', { name: 'Retry' }).click();
  for (const page of [teos, nells]) await expectMessages(page, ['Before the tunnel.', 'In the tunnel.']);
  await teos.reload();
  await expectMessages(teos, ['Before the tunnel.', 'In the tunnel.']);
});

test('a participant misses nothing and sends nothing twice after being offline or after a restart', async ({
  chitter,
  visit,
}) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await joinAsGuest(teos, link, 'Teo');
  await sendMessage(nells, 'one');
  await expectMessages(teos, ['one']);
  await teos.context().setOffline(true);
  await sendMessage(nells, 'two');
  await sendMessage(nells, 'three');
  await expectMessages(nells, ['one', 'two', 'three']);
  await sendMessage(teos, 'from the tunnel');
  await expect(messageWith(teos, 'from the tunnel')).toHaveClass(/failed/);
  await teos.context().setOffline(false);
  const all = ['one', 'two', 'three', 'from the tunnel'];
  for (const page of [teos, nells]) await expectMessages(page, all);

  await chitter.restart();
  await sendMessage(nells, 'after the restart');
  for (const page of [teos, nells]) await expectMessages(page, [...all, 'after the restart']);
  await chitter.stop();
  await sendMessage(nells, 'while nobody was there');
  await expect(messageWith(nells, 'while nobody was there')).toHaveClass(/failed/);
  await chitter.start();
  await messageWith(nells, 'while nobody was there').getByRole('button', { name: 'Retry' }).click();
  for (const page of [teos, nells]) await expectMessages(page, [...all, 'after the restart', 'while nobody was there']);
});

test('messages are replied to, reacted to, edited and deleted', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await joinAsGuest(teos, link, 'Teo');
  await sendMessage(teos, 'Is the slip free on Sunday?');
  await messageWith(nells, 'Is the slip free').hover();
  await nells.getByRole('button', { name: 'Reply' }).click();
  await sendMessage(nells, 'From nine.');
  await expect(messageWith(teos, 'From nine.').locator('.quote')).toContainText('Is the slip free on Sunday?');

  await messageWith(teos, 'From nine.').hover();
  await teos.getByRole('button', { name: 'React' }).click();
  await teos.getByRole('button', { name: '🎉' }).click();
  const reaction = messageWith(nells, 'From nine.').locator('.reaction');
  await expect(reaction).toHaveText('🎉 1');
  await expect(reaction).toHaveAttribute('aria-pressed', 'false');
  await reaction.click();
  await expect(reaction).toHaveText('🎉 2');
  await expect(reaction).toHaveAttribute('aria-pressed', 'true');
  await reaction.click();
  await expect(messageWith(teos, 'From nine.').locator('.reaction')).toHaveText('🎉 1');

  // The up arrow edits one’s last message.
  await messageField(nells).press('ArrowUp');
  await nells.locator('.edit-form textarea').fill('From ten, sorry.');
  await nells.keyboard.press('Enter');
  for (const page of [nells, teos]) {
    await expect(messageWith(page, 'From ten, sorry.').locator('.edited')).toHaveText('edited');
  }

  await messageWith(nells, 'Is the slip free').hover();
  const remove = nells.locator('.message-actions').getByRole('button', { name: 'Delete' });
  await remove.click();
  await expect(nells.locator('.message-actions').getByText('Delete it?')).toBeVisible();
  await nells.getByRole('button', { name: 'Delete it?' }).click();
  for (const page of [nells, teos]) await expect(messages(page).first()).toHaveText(/This message was deleted/);
  await expect(messageWith(teos, 'From ten, sorry.').locator('.quote')).not.toContainText('Is the slip free');
});

test('a long word breaks in the field and in the bubble, and a room can be exported', async ({ visit }) => {
  const nells = await visit(nell);
  await nells.setViewportSize({ width: 390, height: 844 });
  const link = await openRoom(nells, 'Slipway');
  const long = `https://harbour.example/${'slip'.repeat(60)}`;
  await messageField(nells).fill(long);
  const width = () => nells.evaluate(() => document.documentElement.scrollWidth);
  expect(await width()).toBe(390);
  await nells.getByRole('button', { name: 'Send' }).click();
  await expect(messages(nells).locator('.body a')).toHaveAttribute('href', long);
  expect(await width()).toBe(390);
  await nells.goto(`${link}/about`);
  for (const kind of ['To read (HTML)', 'For programs (JSON)']) {
    const download = nells.waitForEvent('download');
    await nells.getByRole('link', { name: kind }).click();
    expect(await (await download).failure()).toBe(null);
  }
});

test('typing and presence are shown', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await joinAsGuest(teos, link, 'Teo');
  await expect(nells.locator('[data-presence]')).toHaveText('2 here, 1 as a guest');
  await messageField(teos).pressSequentially('Hm');
  await expect(nells.locator('[data-typing]')).toHaveText('Teo is typing');
  await messageField(teos).press('Enter');
  await expect(nells.locator('[data-typing]')).toHaveText('');
});

test('new messages wait below, are counted in the title, and are marked after an absence', async ({
  request,
  visit,
}) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const key = link.split('/').pop();
  const teo = await (await request.post('/api/v1/sessions', { data: { name: 'Teo' } })).json();
  const post = (body) =>
    request.post(`/api/v1/rooms/${key}/messages`, {
      data: { body },
      headers: { authorization: `Bearer ${teo.token}` },
    });
  for (let n = 1; n <= 120; n++) await post(`word ${n}`);
  await expect(messageWith(nells, 'word 120')).toBeInViewport();

  // Older messages are loaded while scrolling up, and the messages in view do not move.
  await nells.reload();
  await expect(messages(nells)).toHaveCount(50);
  await messageWith(nells, /^word 71$/).scrollIntoViewIfNeeded();
  await expect(messages(nells).first().locator('.body')).toHaveText(/^word (1|21)$/);
  await expect(messageWith(nells, /^word 71$/)).toBeInViewport();
  const texts = await nells.locator('.message .body').allTextContents();
  expect(texts).toEqual([...texts].sort((a, b) => Number(a.slice(5)) - Number(b.slice(5))));

  const before = await messageWith(nells, /^word 71$/).boundingBox();
  await post('word 121');
  await expect(nells.getByRole('button', { name: '1 new message' })).toBeVisible();
  await expect(nells).toHaveTitle(/^\(1\) Slipway/);
  // Within a pixel, because browsers scroll in fractions of one.
  expect(Math.abs((await messageWith(nells, /^word 71$/).boundingBox()).y - before.y)).toBeLessThanOrEqual(1);
  await nells.getByRole('button', { name: '1 new message' }).click();
  await expect(messageWith(nells, 'word 121')).toBeInViewport();
  await expect(nells).toHaveTitle(/^Slipway/);

  await nells.goto('/rooms');
  await post('word 122');
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
  await joinAsGuest(teos, link, 'Teo');
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
  await sendMessage(teos, 'The plan, and a trap.');
  const picture = messageWith(nells, 'The plan').locator('img');
  await expect(picture).toHaveAttribute('width', '320');
  await expect(picture).toHaveAttribute('height', '200');
  await expect.poll(() => picture.evaluate((image) => image.naturalWidth)).toBe(320);
  const download = nells.waitForEvent('download');
  await messageWith(nells, 'The plan').locator('a.file').click();
  expect((await download).suggestedFilename()).toBe('trap.html');

  // Files can also be pasted and dropped.
  for (const [kind, selector] of [['paste', '#message'], ['drop', 'chat-conversation']]) {
    await teos.evaluate(
      ([kind, selector, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], `${kind}.png`, { type: 'image/png' }));
        const event =
          kind === 'paste'
            ? new ClipboardEvent(kind, { clipboardData: data, bubbles: true })
            : new DragEvent(kind, { dataTransfer: data, bubbles: true });
        document.querySelector(selector).dispatchEvent(event);
      },
      [kind, selector, png],
    );
    await expect(teos.locator('[data-attachments] li')).toContainText(`${kind}.png`);
    await expect(teos.locator('[data-attachments] progress')).toHaveCount(0);
    await messageField(teos).press('Enter');
    await expect(nells.locator(`img[alt="${kind}.png"]`)).toHaveCount(1);
  }
});

test('a guest whom the owner removes is out at once and cannot come back', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await joinAsGuest(teos, link, 'Teo');
  await sendMessage(teos, 'Hello');
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

test('a room is renamed and locked, and gets a new link', async ({ visit }) => {
  const nells = await visit(nell);
  const link = await openRoom(nells, 'Slipway');
  const teos = await visit();
  await joinAsGuest(teos, link, 'Teo');
  await nells.goto(`${link}/about`);
  await nells.getByLabel('Name', { exact: true }).fill('Slipway rota');
  await nells.getByRole('switch', { name: /Locked/ }).check();
  await nells.getByRole('button', { name: 'Save' }).click();
  await expect(teos.getByRole('heading', { name: 'Slipway rota' })).toBeVisible();
  await expect(teos.getByText('This room is locked')).toBeVisible();
  await expect(messageField(teos)).toBeHidden();
  await nells.getByRole('button', { name: 'Make a new link' }).click();
  await expect(teos).not.toHaveURL(link);
  const newcomers = await visit();
  await newcomers.goto(link);
  await expect(newcomers.getByRole('heading', { name: 'Nothing here' })).toBeVisible();
  await joinAsGuest(newcomers, teos.url(), 'Oskar');
  // The old link redirects those who are in the room.
  await teos.goto(link);
  await expect(teos).toHaveURL(newcomers.url());
});

test('a room can be searched', async ({ visit }) => {
  const nells = await visit(nell);
  await openRoom(nells, 'Slipway');
  await sendMessage(nells, 'The café opens at nine.');
  await sendMessage(nells, 'Bring a kettle.');
  await expect(messages(nells)).toHaveCount(2);
  await nells.getByRole('button', { name: 'More about this room' }).click();
  await nells.getByRole('link', { name: 'Search this room' }).click();
  await nells.getByLabel('Words').fill('CAFE nine');
  await nells.getByRole('button', { name: 'Search' }).click();
  await expect(nells.locator('.body')).toHaveText(['The café opens at nine.']);
  await nells.locator('.entries a').click();
  await expect(messages(nells).first()).toBeInViewport();
});

test('a room can be used by the keyboard alone', async ({ visit }) => {
  const nells = await visit(nell);
  await openRoom(nells, 'Slipway');
  await sendMessage(nells, 'first');
  await sendMessage(nells, 'second');
  await expectMessages(nells, ['first', 'second']);
  await messageField(nells).fill('two');
  await messageField(nells).press('Shift+Enter');
  await messageField(nells).pressSequentially('lines');
  await messageField(nells).press('Enter');
  await expect(messages(nells).last().locator('.body')).toHaveText('two lines', { useInnerText: false });
  await nells.locator('[data-scroll]').focus();
  await nells.keyboard.press('ArrowUp');
  await nells.keyboard.press('ArrowUp');
  await expect(messageWith(nells, 'second')).toBeFocused();
  await nells.keyboard.press('Tab');
  await expect(nells.locator('.message-actions').getByRole('button', { name: 'React' })).toBeFocused();
  await nells.keyboard.press('Enter');
  await nells.getByRole('button', { name: '👀' }).press('Enter');
  await expect(messageWith(nells, 'second').locator('.reaction')).toHaveText('👀 1');
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });

  test('a room is read page by page and written in', async ({ page, request }) => {
    const teo = await (await request.post('/api/v1/sessions', { data: { name: 'Teo' } })).json();
    const headers = { authorization: `Bearer ${teo.token}` };
    const room = await (await request.post('/api/v1/rooms', { data: { name: 'Slipway' }, headers })).json();
    for (let n = 1; n <= 60; n++) {
      await request.post(`/api/v1/rooms/${room.key}/messages`, { data: { body: `word ${n}` }, headers });
    }
    await joinAsGuest(page, `/rooms/${room.key}`, 'Oskar');
    await expect(messages(page)).toHaveCount(50);
    await expect(messageWith(page, 'word 60')).toBeInViewport();
    await page.getByRole('link', { name: 'Older messages' }).click();
    await expect(messages(page)).toHaveCount(10);
    await page.getByRole('link', { name: 'Newest messages' }).click();
    await messageField(page).fill('Said without scripts.');
    await page.getByRole('button', { name: 'Send' }).click();
    await expect(messages(page).last()).toContainText('Said without scripts.');
    await page.getByRole('button', { name: 'Send' }).click();
    await expect(page.getByRole('alert')).toHaveText('Write something first.');
  });
});
