import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';

const run = promisify(execFile);
const BUILD_MS = 180_000;
const MAX_FIRST_LOAD_KB = 250;
const DIST = 'dashboard/dist';

const build = (...options: string[]) => run(process.execPath, ['scripts/buildDashboard.mjs', ...options]);

beforeAll(() => build('--force'), BUILD_MS);

it('the first load of each page is at most 250 kB of gzipped JavaScript', async () => {
  const sizes: Record<string, number> = JSON.parse((await build('--size')).stdout);
  expect(Object.keys(sizes)).toEqual(['admin', 'customer']);
  for (const [page, kB] of Object.entries(sizes)) {
    expect(kB, page).toBeGreaterThan(50);
    expect(kB, page).toBeLessThanOrEqual(MAX_FIRST_LOAD_KB);
  }
});

it('React is built for production, whatever the environment says that builds it', async () => {
  expect(process.env.NODE_ENV).not.toBe('production');
  for (const file of await readdir(`${DIST}/assets`)) {
    if (file.endsWith('.js'))
      expect(await readFile(`${DIST}/assets/${file}`, 'utf8'), file).not.toContain('React DevTools');
  }
});

it('the HTML has no inline scripts or styles, which the Content-Security-Policy would block', async () => {
  for (const page of ['admin', 'customer']) {
    const html = await readFile(`${DIST}/${page}.html`, 'utf8');
    expect(html).toMatch(/<script type="module"[^>]* src="\/assets\/[\w.-]+\.js">/);
    expect(html).not.toMatch(/<script(?![^>]* src=)|<style|style=|onload=/);
  }
});

it('nothing is built again while nothing changed', async () => {
  const before = await stat(`${DIST}/admin.html`);
  const { stdout } = await build();
  expect(stdout).toBe('');
  expect((await stat(`${DIST}/admin.html`)).mtimeMs).toBe(before.mtimeMs);
});
