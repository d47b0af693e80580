// Checks for every page: axe finds no violation, the HTML is valid, and the page fits the window’s width.
import AxeBuilder from '@axe-core/playwright';
import { HtmlValidate } from 'html-validate';
import { expect } from './server.js';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const html = new HtmlValidate({ extends: ['html-validate:standard'] });

/** Returns the errors of an HTML document, one line for each. */
export async function htmlErrors(source) {
  const { results } = await html.validateString(source);
  return results.flatMap(({ messages }) =>
    messages.map(({ line, column, ruleId, message }) => `${line}:${column} ${ruleId}: ${message}`),
  );
}

/** Expects no violation and valid HTML. Frames are excluded, because their pages are checked by themselves. */
export async function expectNoViolations(page, name) {
  const { violations } = await new AxeBuilder({ page }).exclude('iframe').withTags(RULES).analyze();
  const problems = violations.flatMap(({ id, help, nodes }) =>
    nodes.map((node) => `${id}: ${help}: ${node.target.join(' ')}: ${node.failureSummary}`),
  );
  expect.soft(problems, `on ${name}`).toEqual([]);
  // The source is checked, because a browser’s DOM has no syntax errors any more.
  const response = page.url().startsWith('http') ? await page.request.get(page.url()) : null;
  if (response?.headers()['content-type']?.startsWith('text/html')) {
    expect.soft(await htmlErrors(await response.text()), `the HTML of ${name}`).toEqual([]);
  }
}

export async function expectNoSidewaysScroll(page, name) {
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect.soft(excess, `${name} is wider than the window`).toBeLessThanOrEqual(0);
}
