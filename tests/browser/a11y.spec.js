// Accessibility of every page: axe finds no violation, in light and dark, on a phone and on a wide screen.
import { expectNoViolations, expectNoSidewaysScroll } from './checks.js';
import { expect, test } from './server.js';
import { fillSignUp, ify, joerg, layla, nell, program } from './people.js';

/** Creates a conversation of Nell, Ify and Layla; `page` is Nell’s. Returns the paths of the pages around it. */
async function createConversation(page, visit) {
  const nells = await program(page.request, nell);
  const ifys = await program((await visit()).request, ify);
  const laylas = await program((await visit()).request, layla);

  await laylas.post('خبزتُ اليوم خبزًا بالزعتر 🍞 #خبز');
  const question = await nells.post('@ify the tide table at https://harbour.example/tides says nine? #tides');
  await nells.edit(question.id, '@ify the tide table at https://harbour.example/tides says ten? #tides');
  const answer = await ifys.post('@nell ten it is.', { in_reply_to_id: question.id });
  await nells.like(answer.id);
  await nells.post('Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch fits on the new ferry sign.');
  return {
    everyone: [
      '/',
      '/@nell',
      '/@layla',
      `/@nell/${question.id}`,
      `/@ify/${answer.id}`,
      `/@nell/${question.id}/history`,
      '/tags/tides',
      '/tags/nobody-said-this',
      '/no-such-page',
    ],
    visitors: ['/signup', '/login'],
    members: [`/@nell/${question.id}/edit`, '/settings'],
  };
}

/** Creates a room of Nell’s with messages, a file and a hook. Returns its path and a guest’s page at the name form. */
async function createRoom(page, visit) {
  await program(page.request, nell);
  const room = await (await page.request.post('/api/v1/rooms', { data: { name: 'Repair café, Saturday' } })).json();
  const api = `/api/v1/rooms/${room.key}`;
  const teo = await (await page.request.post('/api/v1/sessions', { data: { name: 'Teo from no. 12' } })).json();
  const as = (session) => ({ authorization: `Bearer ${session.token}` });
  const post = async (data, headers) => (await page.request.post(`${api}/messages`, { data, headers })).json();
  const first = await post({ body: 'Three tables, one kettle. `Nine` sharp:\n```\n09:00 doors\n```' });
  const text = 'سأحضر الشاي. Do you do toasters? https://harbour.example/toasters';
  const question = await post({ body: text }, as(teo));
  await post({ body: 'We do, @nell does.', reply_to: question.id });
  await page.request.put(`${api}/messages/${first.id}/reactions/${encodeURIComponent('☕')}`, { headers: as(teo) });
  await page.request.put(`${api}/messages/${question.id}/reactions/${encodeURIComponent('🎉')}`);
  const oops = await post({ body: 'Oops' }, as(teo));
  await page.request.delete(`${api}/messages/${oops.id}`, { headers: as(teo) });
  const file = await page.request.post(`${api}/attachments`, {
    multipart: { file: { name: 'rota.txt', mimeType: 'text/plain', buffer: Buffer.from('nine, ten') } },
  });
  await post({ body: 'The rota.', attachments: [(await file.json()).id] });
  await page.request.post(`${api}/hooks`, { data: { name: 'Grafana' } });
  const guests = await visit();
  await guests.goto(`/rooms/${room.key}`);
  await expect(guests.getByRole('heading', { name: 'What should we call you?' })).toBeVisible();
  return { guests, link: `/rooms/${room.key}` };
}

for (const colorScheme of ['light', 'dark']) {
  for (const width of [390, 1280]) {
    test.describe(`in ${colorScheme}, ${width} px wide`, () => {
      test.use({ colorScheme, viewport: { width, height: 844 } });

      test('a visitor’s pages have no violations', async ({ page, visit }) => {
        const { everyone, visitors } = await createConversation(page, visit);
        const visitorPage = await visit();
        for (const path of [...everyone, ...visitors]) {
          await visitorPage.goto(path);
          await expectNoViolations(visitorPage, path);
        }
      });

      test('a member’s pages have no violations', async ({ page, visit }) => {
        const { everyone, members } = await createConversation(page, visit);
        for (const path of [...everyone, ...members]) {
          await page.goto(path);
          await expectNoViolations(page, path);
        }
      });

      test('a room and the pages around it have no violations', async ({ page, visit }) => {
        const { guests, link } = await createRoom(page, visit);
        await expectNoViolations(guests, 'the name form');
        await guests.getByRole('button', { name: 'Come in' }).click();
        await expectNoViolations(guests, 'the name form, refused');
        await guests.getByLabel('Name').fill('Oskar');
        await guests.getByRole('button', { name: 'Come in' }).click();
        await expect(guests.getByLabel('Your message')).toBeVisible();
        await expectNoViolations(guests, 'the room as a guest');
        await expectNoSidewaysScroll(guests, 'the room as a guest');

        const around = ['about', 'search?q=toaster', 'leave', 'delete'].map((rest) => `${link}/${rest}`);
        for (const path of ['/rooms', link, ...around]) {
          await page.goto(path);
          await expectNoViolations(page, path);
          await expectNoSidewaysScroll(page, path);
        }
        await page.goto(link);
        await page.locator('.message').first().hover();
        await expectNoViolations(page, 'a message with its actions');
        await page.getByRole('button', { name: 'Share' }).click();
        await expectNoViolations(page, 'the share sheet');
        await page.keyboard.press('Escape');
        await page.getByRole('button', { name: 'More about this room' }).click();
        await expectNoViolations(page, 'the room’s menu');
      });

      test('the pages for tokens, apps, webhooks and the API have no violations', async ({ page }) => {
        await program(page.request, nell);
        await page.goto('/settings/tokens');
        await page.getByLabel('What is it for?').fill('Backup script');
        await page.getByRole('button', { name: 'Make a token' }).click();
        await expect(page.getByLabel('Copy it now')).toHaveValue(/^cht_/);
        await expectNoViolations(page, 'tokens');
        await expectNoSidewaysScroll(page, 'tokens');
        await page.goto('/settings/apps');
        await expectNoViolations(page, 'no apps');
        await page.getByLabel('A new app').fill('Tide bot');
        await page.getByRole('button', { name: 'Register' }).click();
        await page.getByLabel('A new key').fill('Production');
        await page.getByRole('button', { name: 'Make a key' }).click();
        await expect(page.getByLabel('Copy it now')).toHaveValue(/^chk_/);
        await expectNoViolations(page, 'an app');
        await expectNoSidewaysScroll(page, 'an app');
        await page.getByRole('link', { name: 'Its webhooks' }).click();
        await expectNoViolations(page, 'no webhooks');
        await page.getByRole('button', { name: 'Open a webhook' }).click();
        await expectNoViolations(page, 'a webhook, refused');
        await page.getByLabel('Address').fill('https://app.example/a-long-address/of-a-webhook/that-has-no-end/at-all');
        await page.getByRole('button', { name: 'Open a webhook' }).click();
        await page.getByText('Show the secret').click();
        await expect(page.getByText(/^whsec_/)).toBeVisible();
        await expectNoViolations(page, 'webhooks');
        await expectNoSidewaysScroll(page, 'webhooks');
        await page.goto('/docs/api');
        await page.getByText('Creates a thread.').click();
        await expectNoViolations(page, 'the reference');
        await expectNoSidewaysScroll(page, 'the reference');
        await page.goto('/docs/problems');
        await expectNoViolations(page, 'problems');
        await expectNoSidewaysScroll(page, 'problems');
      });

      test('threads have no violations', async ({ page, visit }) => {
        for (const person of [ify, joerg]) await visit(person);
        await program(page.request, nell);
        await page.goto('/threads');
        await expectNoViolations(page, 'no threads');
        await page.getByLabel('Write to').fill('nobody_here');
        await page.getByRole('button', { name: 'Begin' }).click();
        await expectNoViolations(page, 'a thread, refused');
        await page.getByLabel('Write to').fill('ify, joerg');
        await page.getByRole('button', { name: 'Begin' }).click();
        await page.waitForFunction(() => customElements.get('chat-conversation'));
        await page.getByLabel('Your message').fill('Hello, you two');
        await page.getByLabel('Your message').press('Enter');
        await expect(page.locator('.message:not(.sending)')).toHaveCount(1);
        await expectNoViolations(page, 'a thread');
        await expectNoSidewaysScroll(page, 'a thread');
        await page.getByRole('button', { name: 'More about this thread' }).click();
        await expectNoViolations(page, 'the menu of a thread');
        await page.getByRole('link', { name: 'People and name' }).click();
        await page.locator('details').first().click();
        await expectNoViolations(page, 'about a thread');
        await expectNoSidewaysScroll(page, 'about a thread');
        await page.goto('/threads');
        await expectNoViolations(page, 'threads');
        await expectNoSidewaysScroll(page, 'threads');
      });

      test('the pages of a match have no violations', async ({ page, visit, request }) => {
        await page.goto('/session/new');
        await page.getByLabel('Name').fill('Teo');
        await page.getByRole('button', { name: 'Come in' }).click();
        await page.goto('/match');
        await expectNoViolations(page, 'asking for a match');
        await page.getByRole('button', { name: 'Find someone' }).click();
        await expectNoViolations(page, 'asking, refused');
        await page.getByLabel('What do you like?').fill('bread, old bicycles');
        await page.getByLabel('I am 18 or older').check();
        await page.getByRole('button', { name: 'Find someone' }).click();
        await expect(page.getByText('the first on the wire')).toBeVisible();
        await expectNoViolations(page, 'waiting');
        await expectNoSidewaysScroll(page, 'waiting');
        const session = await (await request.post('/api/v1/sessions', { data: { name: 'Ada' } })).json();
        const headers = { authorization: `Bearer ${session.token}` };
        await request.post('/api/v1/matches', { data: { adult: true, interests: ['bread', 'old bicycles'] }, headers });
        await expect(page.getByRole('heading', { name: 'Stranger', exact: true })).toBeVisible();
        await request.post('/api/v1/matches/current/reveal', { headers });
        await expect(page.getByText('They would tell you their name')).toBeVisible();
        await expectNoViolations(page, 'a talk');
        await expectNoSidewaysScroll(page, 'a talk');
        await page.getByRole('button', { name: 'More: block, report, leave' }).click();
        await expectNoViolations(page, 'the menu of a talk');
        await page.goto('/match/report');
        await expectNoViolations(page, 'reporting');
        await request.delete('/api/v1/matches/current', { headers });
        await page.goto('/match');
        await expect(page.getByRole('heading', { name: 'They have gone' })).toBeVisible();
        await expectNoViolations(page, 'a talk that is over');
      });

      test('a refused form and an empty stream have no violations', async ({ page, visit }) => {
        const visitors = await visit();
        await visitors.goto('/');
        await expectNoViolations(visitors, 'the empty stream of a visitor');
        await program(page.request, nell);
        await page.goto('/');
        await expectNoViolations(page, 'the empty stream of a member');

        await visitors.goto('/signup');
        await fillSignUp(visitors, nell);
        await visitors.getByRole('button', { name: 'Join', exact: true }).click();
        await expect(visitors.locator('[aria-invalid=true]').first()).toBeVisible();
        await expectNoViolations(visitors, 'the refused sign-up');
      });
    });
  }
}

test('pages do not scroll sideways on the smallest phone', async ({ page, visit }) => {
  await page.setViewportSize({ width: 320, height: 568 });
  const { everyone, visitors, members } = await createConversation(page, visit);
  const visitorPage = await visit();
  await visitorPage.setViewportSize({ width: 320, height: 568 });
  for (const path of [...everyone, ...members]) {
    await page.goto(path);
    await expectNoSidewaysScroll(page, path);
  }
  for (const path of visitors) {
    await visitorPage.goto(path);
    await expectNoSidewaysScroll(visitorPage, path);
  }
});
