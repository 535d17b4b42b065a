/**
 * A real browser for a test file.
 *
 *     const browser = testBrowser();
 *     it('…', async () => {
 *       const page = await browser.newPage({ width: 390, colorScheme: 'dark' });
 *       await page.goto(`${server.url}/admin`);
 *       await expectAccessible(page);
 *     });
 *
 * A test fails if a page of it logs an error, throws one, or violates the Content-Security-Policy. What a test provokes it
 * takes with `expectProblem`. Each page has cookies of its own; `page.context().newPage()` opens another one with the same.
 * Pages of a failed test are left as pictures in `dist/failed-pages/`.
 */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import axe from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { launchChromium } from './chromium.js';
import { withDirectoryLock } from './directoryLock.js';

const START_MS = 180_000;
/** For what a page does by itself: long enough for a busy machine, short enough that a failing test says where. */
const ACTION_MS = 10_000;
const FAILED_PAGES = 'dist/failed-pages';

export interface PageOptions {
  /** CSS pixels; 1280 unless given. */
  width?: number;
  /** CSS pixels; 800 unless given. */
  height?: number;
  /** `light` unless given. */
  colorScheme?: 'light' | 'dark';
  /** Problems that may come at any time, such as those of a server that is restarted. */
  tolerate?: readonly RegExp[];
}

export interface TestBrowser {
  /** A page with cookies of its own, which is closed when the test ends. */
  newPage(options?: PageOptions): Promise<Page>;
}

interface Watched {
  context: BrowserContext;
  problems: string[];
  tolerate: readonly RegExp[];
}

const watched = new Map<BrowserContext, Watched>();

/** Call it once, outside of any test: builds the dashboard, starts the browser, and checks every test's pages. */
export function testBrowser(): TestBrowser {
  let browser: Browser | undefined;

  beforeAll(async () => {
    await builtDashboard();
    browser = await launchChromium();
  }, START_MS);

  afterEach(async ({ task }) => {
    const opened = [...watched.values()];
    watched.clear();
    const problems = opened.flatMap((record) => record.problems);
    if (task.result?.state === 'fail' || problems.length > 0) await keepPictures(opened, task.name);
    await Promise.all(opened.map(({ context }) => context.close()));
    expect(problems).toEqual([]);
  });

  afterAll(() => browser?.close());

  return {
    async newPage({ width = 1280, height = 800, colorScheme = 'light', tolerate = [] } = {}) {
      if (!browser) throw new Error('The browser starts with the first test: open no page before');
      const context = await browser.newContext({
        viewport: { width, height },
        colorScheme,
        reducedMotion: 'reduce',
        locale: 'en-US',
        timezoneId: 'UTC',
      });
      context.setDefaultTimeout(ACTION_MS);
      await watch({ context, problems: [], tolerate });
      return context.newPage();
    },
  };
}

async function watch(record: Watched): Promise<void> {
  const { context, problems, tolerate } = record;
  const note = (problem: string) => {
    if (!tolerate.some((pattern) => pattern.test(problem))) problems.push(problem);
  };
  watched.set(context, record);
  context.on('console', (message) => {
    if (message.type() === 'error') note(`console: ${message.text()} (${message.location().url})`);
  });
  context.on('weberror', (error) => note(`page: ${error.error().stack ?? error.error().message}`));
  // The console names violations too, but not those of a policy that only reports.
  await context.exposeFunction('noteViolation', (violation: string) => note(`policy: ${violation}`));
  await context.addInitScript(
    `addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI, sourceFile, lineNumber }) =>
      noteViolation(effectiveDirective + ' blocked ' + blockedURI + ' at ' + sourceFile + ':' + lineNumber));`,
  );
}

/** Takes the problems that the test has provoked. @throws unless one fits, at once or soon */
export async function expectProblem(page: Page, pattern: RegExp): Promise<void> {
  const problems = watched.get(page.context())?.problems ?? [];
  const fitting = () => problems.filter((problem) => pattern.test(problem));
  await expect
    .poll(fitting, { timeout: ACTION_MS, message: `a problem that fits ${pattern}` })
    .not.toEqual([]);
  for (const problem of fitting()) problems.splice(problems.indexOf(problem), 1);
}

/**
 * axe finds nothing: WCAG 2.2 A and AA, and its best practices.
 * @param part a CSS selector; the whole page unless given
 */
export async function expectAccessible(page: Page, part?: string): Promise<void> {
  // Through the debugger's connection, so that the page's policy need not allow it.
  await page.evaluate(`window.axe ?? (() => { ${axe.source} })()`);
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const options = { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] };
  const { violations } = await page.evaluate<axe.AxeResults>(
    `axe.run(${part ? JSON.stringify(part) : 'document'}, ${JSON.stringify(options)})`,
  );
  const found = violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}\n${html}\n${failureSummary ?? ''}`),
  );
  expect(found, `accessibility of ${page.url()}`).toEqual([]);
}

/** The page as a whole is not wider than its window: what is wider scrolls by itself. */
export async function expectNoSideways(page: Page): Promise<void> {
  const widths = await page.evaluate<[number, number]>(
    '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
  );
  expect(widths[0], `the width of ${page.url()}`).toBeLessThanOrEqual(widths[1]);
}

/** @param path of the PNG. @returns the picture of what the window shows, or of the whole page */
async function screenshot(page: Page, path: string, { fullPage = false } = {}): Promise<Buffer> {
  return page.screenshot({ path, fullPage, animations: 'disabled', caret: 'hide' });
}

async function keepPictures(opened: readonly Watched[], test: string): Promise<void> {
  await mkdir(FAILED_PAGES, { recursive: true });
  const pages = opened.flatMap(({ context }) => context.pages());
  const name = test.replace(/\W+/g, '-').slice(0, 80);
  for (const [index, page] of pages.entries())
    await screenshot(page, `${FAILED_PAGES}/${name}-${index}.png`, { fullPage: true }).catch(() => undefined);
}

/** Builds the dashboard if it changed. Test files run side by side: one builds, the others wait and find it done. */
export async function builtDashboard(): Promise<void> {
  await withDirectoryLock('dist/.building-dashboard', () =>
    promisify(execFile)(process.execPath, ['scripts/buildDashboard.mjs']),
  );
}
