import { defineConfig } from '@playwright/test';

const isRoot = process.getuid?.() === 0;

export const launchOptions = {
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: [
    // Chromium’s sandbox does not start as root, as in a container.
    ...(isRoot ? ['--no-sandbox'] : []),
    // The tests use 127.0.0.1 only; Chromium’s own requests are turned off.
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};

export default defineConfig({
  testDir: '.',
  outputDir: 'results',
  reporter: 'list',
  fullyParallel: true,
  forbidOnly: Boolean(process.env.CI),
  // Each Chromium uses more than one core.
  workers: 2,
  // Tests are not repeated, because a flaky test is a fault.
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  use: {
    browserName: 'chromium',
    screenshot: 'only-on-failure',
    viewport: { width: 1280, height: 800 },
    contextOptions: { reducedMotion: 'reduce' },
    launchOptions,
  },
});
