import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { withDatabase } from '@continuum-billing/embedded-mongod';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { copyProject } from '../support/projectCopy.js';

const run = promisify(execFile);
const MAX_INSTALLED_MB = 180;
const INSTALL_MS = 300_000;
const START_MS = 120_000;

/** A copy of the project's files, as a clone has them. */
let project: string;
let env: Record<string, string>;
let installed: { stdout: string; stderr: string };

beforeAll(async () => {
  project = await copyProject();
  // Without this project's own Node, npm runs on the machine's, as it does on a server.
  const path = (process.env.PATH ?? '').split(delimiter).filter((entry) => !entry.includes('node_modules'));
  env = { PATH: path.join(delimiter), HOME: process.env.HOME ?? '', NODE_ENV: 'production' };
  installed = await run('npm', ['ci'], { cwd: project, env });
}, INSTALL_MS);
afterAll(() => rm(project, { recursive: true, force: true }));

/** Runs `npm start` until the server is ready, and then stops it. */
async function startOnce(): Promise<void> {
  const MONGODB_URI = withDatabase(inject('mongodbUri'), `production-${process.pid}`);
  const settings = { MONGODB_URI, STRIPE_MOCK_MODE: 'true', HOST: '127.0.0.1', PORT: '0' };
  const ADMIN_API_KEY = 'production-operator-key-of-a-test-000000';
  const npm = spawn('npm', ['start'], {
    cwd: project,
    env: { ...env, ...settings, ADMIN_API_KEY },
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(npm, 'exit');
  try {
    let url: string | undefined;
    for await (const line of createInterface(npm.stdout)) {
      url = /Server listening at (http:\/\/[^"]+)/.exec(line)?.[1];
      if (url) break;
    }
    expect(url, 'the server ended before it listened').toBeDefined();
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    // The pages need development dependencies to be built. Without them, the API works and the pages say what to do.
    const page = await fetch(`${url}/admin`);
    expect(page.status).toBe(503);
    expect(await page.text()).toContain('npm run build');
  } finally {
    if (npm.pid && npm.exitCode === null) process.kill(-npm.pid, 'SIGTERM');
    await ended;
  }
}

it('a production install stays below its size, and prints no warnings', async () => {
  const { stdout } = await run('du', ['-sm', 'node_modules'], { cwd: project });
  expect(Number.parseInt(stdout, 10)).toBeLessThanOrEqual(MAX_INSTALLED_MB);
  expect(installed.stdout + installed.stderr).not.toMatch(/warn/i);
});

it(
  'it builds and starts, and a second start compiles nothing',
  async () => {
    await startOnce();
    const built = await stat(join(project, 'dist/src/main.js'));
    await startOnce();
    expect((await stat(join(project, 'dist/src/main.js'))).mtimeMs).toBe(built.mtimeMs);
  },
  2 * START_MS,
);
