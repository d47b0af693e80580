// Runs Lighthouse on a page: node lighthouse.js URL. Exits with 1 if a score is below 100. `bin/lighthouse` runs it.
import { createServer } from 'node:net';
import { once } from 'node:events';
import { chromium } from '@playwright/test';
import lighthouse from 'lighthouse';
import { launchOptions } from './playwright.config.js';

const WIDE = {
  formFactor: 'desktop',
  screenEmulation: { mobile: false, width: 1280, height: 900, deviceScaleFactor: 1, disabled: false },
  throttling: { rttMs: 40, throughputKbps: 10_240, cpuSlowdownMultiplier: 1 },
};

const probe = createServer().listen(0, '127.0.0.1');
await once(probe, 'listening');
const { port } = probe.address();
probe.close();
const browser = await chromium.launch({
  ...launchOptions,
  args: [...launchOptions.args, `--remote-debugging-port=${port}`],
});
let perfect = true;
for (const [name, settings] of [['on a phone', {}], ['wide', WIDE]]) {
  const { lhr } = await lighthouse(process.argv[2], { port, logLevel: 'error', output: 'json', ...settings });
  for (const { title, score, auditRefs } of Object.values(lhr.categories)) {
    console.log(`${name}: ${title} ${Math.round(score * 100)}`);
    if (score === 1) continue;
    perfect = false;
    for (const { id, weight } of auditRefs) {
      const audit = lhr.audits[id];
      const failed = weight > 0 && audit.score !== null && audit.score < 1;
      if (failed) console.log(`  ${audit.title} ${audit.displayValue ?? ''}`);
    }
  }
}
await browser.close();
process.exitCode = perfect ? 0 : 1;
