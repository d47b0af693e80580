import { defineConfig } from '@playwright/test';

const root = process.getuid?.() === 0;

export const launchOptions = {
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: [
    // Chromium's sandbox refuses to start as root, as in a container.
    ...(root ? ['--no-sandbox'] : []),
    // The tests talk to 127.0.0.1 only: Chromium need not phone anyone.
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
  // Chromium itself keeps more than one core busy.
  workers: 2,
  // A test that passes the second time has still found something.
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
