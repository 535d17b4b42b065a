import { describe, expect, it } from 'vitest';
import lock from '../../package-lock.json' with { type: 'json' };

/** What an installed server or package may be under: all of them allow use in closed products, and ask for no source code. */
const PRODUCTION = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Unlicense',
  'Zlib',
];
/** Tools, and what tests and examples run beside. Nothing of them is in a published package. */
const DEVELOPMENT = [...PRODUCTION, 'CC-BY-4.0', 'Elastic-2.0', 'MPL-2.0', 'Python-2.0'];

interface LockedPackage {
  license?: string;
  dev?: boolean;
  link?: boolean;
}

const dependencies = Object.entries(lock.packages as Record<string, LockedPackage>).filter(
  ([path, { link }]) => path.includes('node_modules/') && !link,
);

/** Whether an SPDX expression is satisfied: every part of AND, or one of OR. */
function isAllowed(expression: string | undefined, allowed: readonly string[]): boolean {
  const parts = (expression ?? '').replace(/[()]/g, '').split(' OR ');
  return parts.some((all) => all.split(' AND ').every((name) => allowed.includes(name)));
}

const forbidden = (isDevelopment: boolean, allowed: readonly string[]) =>
  dependencies
    .filter(([, { dev = false, license }]) => dev === isDevelopment && !isAllowed(license, allowed))
    .map(([path, { license }]) => `${path}: ${license}`);

describe('the licence of every dependency', () => {
  it('that is installed with a package is permissive', () => {
    expect(forbidden(false, PRODUCTION)).toEqual([]);
  });

  it('that only develops it is known', () => {
    expect(forbidden(true, DEVELOPMENT)).toEqual([]);
  });

  it('is read as SPDX says: one of OR, all of AND', () => {
    expect(isAllowed('(GPL-3.0 OR MIT)', PRODUCTION)).toBe(true);
    expect(isAllowed('MIT AND GPL-3.0', PRODUCTION)).toBe(false);
    expect(isAllowed(undefined, PRODUCTION)).toBe(false);
  });
});
