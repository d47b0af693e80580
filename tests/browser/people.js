// The people in the tests, and the actions of people and programs.
import { expect } from '@playwright/test';
import { randomUUID } from 'node:crypto';

export const nell = { name: 'Nell Ashby', username: 'nell' };
export const ify = { name: 'Ifeoma Okafor', username: 'ify' };
export const joerg = { name: 'Jörg Großmann', username: 'joerg' };
export const ha = { name: 'Nguyễn Thị Hà', username: 'ha' };
export const layla = { name: 'ليلى حداد', username: 'layla' };

export const PASSWORD = 'a heron on the slip';

export const email = ({ username }) => `${username}@harbour.example`;

export async function signUp(page, person) {
  await page.goto('/signup');
  await fillSignUp(page, person);
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(composer(page)).toBeVisible();
}

export async function fillSignUp(page, person) {
  await page.locator('[name=email]').fill(person.email ?? email(person));
  await page.locator('[name=password]').fill(PASSWORD);
  await page.locator('[name=name]').fill(person.name);
  await page.locator('[name=username]').fill(person.username);
}

export async function logIn(page, login, password = PASSWORD) {
  await page.goto('/login');
  await page.locator('[name=login]').fill(login);
  await page.locator('[name=password]').fill(password);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
}

/** The text field of the composer. */
export function composer(page) {
  return page.getByLabel('Your peep');
}

/** The peeps in the feed, from the top. */
export function feed(page) {
  return page.getByRole('feed').locator('article.peep');
}

/** The peep on this page with this text. */
export function peepWith(page, text) {
  return page.locator('article.peep').filter({ has: page.locator('.body', { hasText: text }) });
}

export async function peep(page, text) {
  await composer(page).fill(text);
  await page.getByRole('button', { name: 'Peep', exact: true }).click();
  await expect(peepWith(page, text)).toHaveCount(1);
}

/** Opens a peep’s own page by the link on its time. */
export async function openPeep(page, text) {
  const link = peepWith(page, text).locator('a:has(time)');
  const address = await link.getAttribute('href');
  await link.click();
  await expect(page).toHaveURL(address);
}

/** Deletes the peep that the page shows, and confirms it. */
export async function deletePeep(page) {
  await page.getByRole('link', { name: 'Delete', exact: true }).click();
  await page.getByRole('button', { name: 'Delete it', exact: true }).click();
  await expect(page).toHaveURL('/');
}

/** Signs up an account that acts by the API, with a session cookie. */
export async function program(request, person) {
  const response = await request.post('/signup', {
    form: { email: email(person), password: PASSWORD, ...person },
  });
  expect(response.status()).toBe(200);

  const call = async (method, path, data) => {
    const response = await request.fetch(path, {
      method,
      data,
      // A restarting server closes connections; the idempotency key makes a second try safe.
      maxRetries: 3,
      headers: { 'Idempotency-Key': randomUUID() },
    });
    expect(response.status(), `${method} ${path}: ${await response.text()}`).toBe(200);
    return response.json();
  };
  return {
    post: (status, more = {}) => call('POST', '/api/v1/statuses', { status, ...more }),
    edit: (id, status) => call('PUT', `/api/v1/statuses/${id}`, { status }),
    remove: (id) => call('DELETE', `/api/v1/statuses/${id}`),
    like: (id) => call('POST', `/api/v1/statuses/${id}/favourite`),
    /** Posts `count` peeps, “Peep 01” first. Returns their texts, newest first. */
    async fill(count) {
      const texts = Array.from({ length: count }, (_, i) => `Peep ${String(i + 1).padStart(2, '0')}`);
      for (const text of texts) await this.post(text);
      return texts.reverse();
    },
  };
}
