// Checks for every page: axe finds no violation, the HTML is valid, and the page fits the window’s width.
import AxeBuilder from '@axe-core/playwright';
import { HtmlValidate } from 'html-validate';
import { expect } from './server.js';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const html = new HtmlValidate({ extends: ['html-validate:standard'] });

/** Returns what is not valid in a document, one line for each problem. */
export async function invalid(source) {
  const { results } = await html.validateString(source);
  return results.flatMap(({ messages }) =>
    messages.map(({ line, column, ruleId, message }) => `${line}:${column} ${ruleId}: ${message}`),
  );
}

/** Expects no violation and valid HTML. Frames are left out: their pages are checked by themselves. */
export async function expectNothingWrong(page, where) {
  const { violations } = await new AxeBuilder({ page }).exclude('iframe').withTags(RULES).analyze();
  const found = violations.flatMap(({ id, help, nodes }) =>
    nodes.map((node) => `${id}: ${help}: ${node.target.join(' ')}: ${node.failureSummary}`),
  );
  expect.soft(found, `on ${where}`).toEqual([]);
  // The source, because the browser’s DOM is already corrected.
  const answer = page.url().startsWith('http') ? await page.request.get(page.url()) : null;
  if (answer?.headers()['content-type']?.startsWith('text/html')) {
    expect.soft(await invalid(await answer.text()), `the HTML of ${where}`).toEqual([]);
  }
}

export async function expectNoSidewaysScroll(page, where) {
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect.soft(excess, `${where} is wider than the window`).toBeLessThanOrEqual(0);
}
