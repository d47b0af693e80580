// What holds for every page: axe finds nothing, its HTML is valid, and it fits into the window.
import AxeBuilder from '@axe-core/playwright';
import { HtmlValidate } from 'html-validate';
import { expect } from './server.js';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const html = new HtmlValidate({ extends: ['html-validate:standard'] });

/** Everything that is not valid in a document, a line each. */
export async function invalid(source) {
  const { results } = await html.validateString(source);
  return results.flatMap(({ messages }) =>
    messages.map(({ line, column, ruleId, message }) => `${line}:${column} ${ruleId}: ${message}`),
  );
}

/** What is in a frame is looked at by itself. */
export async function expectNothingWrong(page, where) {
  const { violations } = await new AxeBuilder({ page }).exclude('iframe').withTags(RULES).analyze();
  const found = violations.flatMap(({ id, help, nodes }) =>
    nodes.map((node) => `${id}: ${help}: ${node.target.join(' ')}: ${node.failureSummary}`),
  );
  expect.soft(found, `on ${where}`).toEqual([]);
  // As it was sent, and not as the browser mended it.
  const answer = page.url().startsWith('http') ? await page.request.get(page.url()) : null;
  if (answer?.headers()['content-type']?.startsWith('text/html')) {
    expect.soft(await invalid(await answer.text()), `the HTML of ${where}`).toEqual([]);
  }
}

export async function expectNoSidewaysScroll(page, where) {
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect.soft(excess, `${where} is wider than the window`).toBeLessThanOrEqual(0);
}
