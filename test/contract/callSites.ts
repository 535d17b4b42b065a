/** Where our source calls Stripe's SDK, as it is written and as it is run. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import Stripe from 'stripe';
import { vi } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const SOURCE = join(ROOT, 'src');
/** Operators' commands. The doctor's own calls only read, and are made by test/e2e/doctor.test.ts. */
const COMMANDS = '/src/cli/';
/** `stripe.billing.meters.list(`, also over several lines. */
const CALL = /\bstripe((?:\s*\.\s*\w+)+)\s*\(/g;

/** `src/services/usageReports/meter.ts:23 billing.meters.list` */
export function writtenCalls(): string[] {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(SOURCE, name).split(sep).join('/'))
    .filter((file) => !file.includes(COMMANDS));
  return files.flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    return [...text.matchAll(CALL)].map(({ index, 0: call, 1: names = '' }) => {
      const line = text.slice(0, index + call.length).split('\n').length;
      return `${relative(ROOT, file)}:${line} ${names.replace(/\s/g, '').slice(1)}`;
    });
  });
}

type MakeRequest = (...args: unknown[]) => unknown;

/** Notes from now on each line of our source that calls Stripe. @returns reads them, as `src/…/meter.ts:23` */
export function watchCalls(): { lines(): Set<string>; stop(): void } {
  const lines = new Set<string>();
  // The SDK makes every request through this method, and calls it before it waits for anything.
  const resource = Stripe.StripeResource.prototype as unknown as { _makeRequest: MakeRequest };
  const original = resource._makeRequest;
  const spy = vi.spyOn(resource, '_makeRequest').mockImplementation(function (this: unknown, ...args) {
    const caller = new Error().stack?.split('\n').find((frame) => frame.includes(SOURCE));
    const [, file, line] = /([^\s(]+):(\d+):\d+\)?$/.exec(caller ?? '') ?? [];
    if (file) lines.add(`${relative(ROOT, file.replace('file://', ''))}:${line}`);
    return original.apply(this, args);
  });
  return { lines: () => lines, stop: () => spy.mockRestore() };
}
