// The real binary, on a port and a data folder of its own, as test fixtures:
//
//   chitter  one server for each test: start, stop, kill, restart, signUp
//   visit    opens a browser of its own for somebody, signed up if named
//
// Every test also fails if any of its pages threw an error or broke the
// content security policy.
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

// How long a start or a stop may take before it counts as stuck, in ms.
const PATIENCE = 20_000;

export class Chitter {
  log = '';
  #child = null;

  constructor(home, port) {
    this.home = home;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** A server nobody has signed up to yet, ready to answer. */
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
      cwd: this.home, // where no chitter.toml lies
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

    const deadline = Date.now() + PATIENCE;
    while (!(await this.#answers())) {
      if (!this.#running || Date.now() > deadline) {
        throw new Error(`chitter did not start:\n${this.log}`);
      }
      await pause(20);
    }
  }

  /** Fills the place, in which nobody lives yet, with the people of Harbour Row. */
  async seed(password) {
    await this.stop();
    await promisify(execFile)(BINARY, ['seed', '--password', password], {
      env: { PATH: process.env.PATH, CHITTER_DATA: join(this.home, 'data') },
    });
    await this.start();
  }

  /** Asks the server to end, waits until it has, and expects a clean exit. */
  async stop() {
    const [code, signal] = await this.#end('SIGTERM');
    expect(code, `chitter ended badly (${signal ?? code}):\n${this.log}`).toBe(0);
  }

  /** Ends the server as a power cut would. */
  async kill() {
    await this.#end('SIGKILL');
  }

  /** Stops and starts it on the same port and the same data. */
  async restart() {
    await this.stop();
    await this.start();
  }

  /** Stops it, if it runs, and deletes its data. */
  async remove() {
    if (this.#running) await this.kill();
    await rm(this.home, { recursive: true, force: true });
  }

  /** Signs somebody up by the form at /signup; `page` is then at the stream. */
  async signUp(page, person) {
    await signUp(page, person);
  }

  get #running() {
    // A child that could not be spawned has no pid.
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
    const ended = once(this.#child, 'exit', { signal: AbortSignal.timeout(PATIENCE) });
    this.#child.kill(signal);
    try {
      return await ended;
    } catch {
      this.#child.kill('SIGKILL');
      throw new Error(`chitter did not end within ${PATIENCE} ms of ${signal}:\n${this.log}`);
    }
  }
}

/** Below the ports that the system hands out, so that nothing takes it while the server restarts. */
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
      console.log(`The server’s last words in “${info.title}”:\n${tail(chitter.log, 40)}`);
    }
    await chitter.remove();
  },

  baseURL: async ({ chitter }, use) => {
    await use(chitter.url);
  },

  complaints: [
    async ({}, use) => {
      const complaints = [];
      await use(complaints);
      expect(complaints, 'errors that pages met').toEqual([]);
    },
    { auto: true },
  ],

  context: async ({ context, complaints }, use) => {
    listen(context, complaints);
    await use(context);
  },

  visit: async ({ browser, chitter, complaints }, use) => {
    const contexts = [];
    await use(async (person) => {
      const context = await browser.newContext();
      contexts.push(context);
      listen(context, complaints);
      const page = await context.newPage();
      if (person) await chitter.signUp(page, person);
      return page;
    });
    for (const context of contexts) await context.close();
  },
});

export { expect };

function listen(context, complaints) {
  context.on('weberror', (problem) => complaints.push(String(problem.error())));
  // Not every console error: a lost connection while the server restarts is one too.
  context.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) complaints.push(message.text());
  });
}

function tail(text, lines) {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
