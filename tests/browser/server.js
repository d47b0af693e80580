// Test fixtures around the real binary, each server with a port and a data folder of its own.
//
//   chitter  one server for each test: start, stop, kill, restart, signUp
//   visit    opens a browser context and a page, for a person who is signed up, or for a visitor
//
// Every test also fails if one of its pages throws an error or violates the content security policy.
import { test as base, expect } from '@playwright/test';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { signUp } from './people.js';

export const BINARY =
  process.env.CHITTER_BIN || fileURLToPath(new URL('../../target/debug/chitter', import.meta.url));

// The time in ms after which a start or a stop counts as stuck.
const START_STOP_TIMEOUT = 20_000;

export class Chitter {
  log = '';
  #child = null;

  constructor(home, port) {
    this.home = home;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** Starts a server with an empty database. */
  static async create() {
    const chitter = new Chitter(await mkdtemp(join(tmpdir(), 'chitter-')), await freePort());
    try {
      await chitter.start();
    } catch (error) {
      await chitter.remove();
      throw error;
    }
    return chitter;
  }

  async start() {
    this.#child = spawn(BINARY, [], {
      cwd: this.home, // a folder without a chitter.toml
      env: {
        PATH: process.env.PATH,
        RUST_BACKTRACE: '1',
        CHITTER_ADDR: `127.0.0.1:${this.port}`,
        CHITTER_DATA: join(this.home, 'data'),
        CHITTER_LIMITS: 'off',
        CHITTER_LOG: 'info',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.log += text));
    }
    this.#child.on('error', (error) => (this.log += `${BINARY}: ${error.message}\n`));

    const deadline = Date.now() + START_STOP_TIMEOUT;
    while (!(await this.#answers())) {
      if (!this.#running || Date.now() > deadline) {
        throw new Error(`chitter did not start:\n${this.log}`);
      }
      await pause(20);
    }
  }

  /** Seeds the empty database with the people of Harbour Row. */
  async seed(password) {
    await this.stop();
    await promisify(execFile)(BINARY, ['seed', '--password', password], {
      env: { PATH: process.env.PATH, CHITTER_DATA: join(this.home, 'data') },
    });
    await this.start();
  }

  /** Stops the server by SIGTERM, waits for it, and expects exit code 0. */
  async stop() {
    const [code, signal] = await this.#end('SIGTERM');
    expect(code, `chitter ended with ${signal ?? code}:\n${this.log}`).toBe(0);
  }

  /** Kills the server, as a power cut would. */
  async kill() {
    await this.#end('SIGKILL');
  }

  /** Stops the server and starts it again, on the same port and data. */
  async restart() {
    await this.stop();
    await this.start();
  }

  /** Stops the server if it runs, and deletes its data. */
  async remove() {
    if (this.#running) await this.kill();
    await rm(this.home, { recursive: true, force: true });
  }

  /** Signs a person up by the form at /signup. `page` is at the stream afterwards. */
  async signUp(page, person) {
    await signUp(page, person);
  }

  get #running() {
    // A child process that could not be spawned has no pid.
    return this.#child?.pid && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async #answers() {
    try {
      return (await fetch(`${this.url}/readyz`)).ok;
    } catch {
      return false;
    }
  }

  async #end(signal) {
    const ended = once(this.#child, 'exit', { signal: AbortSignal.timeout(START_STOP_TIMEOUT) });
    this.#child.kill(signal);
    try {
      return await ended;
    } catch {
      this.#child.kill('SIGKILL');
      throw new Error(`chitter did not end within ${START_STOP_TIMEOUT} ms of ${signal}:\n${this.log}`);
    }
  }
}

/** Finds a free port below the system’s ephemeral range, so that no other program gets it during a restart. */
async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 10_000);
    const probe = createServer().listen(port, '127.0.0.1');
    const free = await Promise.race([
      once(probe, 'listening').then(() => true),
      once(probe, 'error').then(() => false),
    ]).catch(() => false);
    if (!free) continue;
    probe.close();
    await once(probe, 'close');
    return port;
  }
}

export const test = base.extend({
  chitter: async ({}, use, info) => {
    const chitter = await Chitter.create();
    await use(chitter);
    if (info.status !== info.expectedStatus) {
      await mkdir(info.outputDir, { recursive: true });
      await writeFile(info.outputPath('chitter.log'), chitter.log);
      console.log(`The last lines of the server’s log in “${info.title}”:\n${tail(chitter.log, 40)}`);
    }
    await chitter.remove();
  },

  baseURL: async ({ chitter }, use) => {
    await use(chitter.url);
  },

  pageErrors: [
    async ({}, use) => {
      const pageErrors = [];
      await use(pageErrors);
      expect(pageErrors, 'errors of pages').toEqual([]);
    },
    { auto: true },
  ],

  context: async ({ context, pageErrors }, use) => {
    collectErrors(context, pageErrors);
    await use(context);
  },

  visit: async ({ browser, chitter, pageErrors }, use) => {
    const contexts = [];
    await use(async (person) => {
      const context = await browser.newContext();
      contexts.push(context);
      collectErrors(context, pageErrors);
      const page = await context.newPage();
      if (person) await chitter.signUp(page, person);
      return page;
    });
    for (const context of contexts) await context.close();
  },
});

export { expect };

/** Collects the errors of a context’s pages. */
function collectErrors(context, pageErrors) {
  context.on('weberror', (webError) => pageErrors.push(String(webError.error())));
  // Other console errors are expected: a lost connection while the server restarts is one.
  context.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) pageErrors.push(message.text());
  });
}

/** Returns the last lines of a text. */
function tail(text, lines) {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
