import { readFileSync } from 'node:fs';
import { ErrorCode } from '@continuum-billing/limits/errors';
import { expect, it } from 'vitest';

it('every error code has an entry in docs/troubleshooting.md, and every entry is a code', () => {
  const text = readFileSync('docs/troubleshooting.md', 'utf8');
  const entries = [...text.matchAll(/^## `([A-Z_]+)`$/gm)].map(([, code]) => code);
  expect(entries.toSorted()).toEqual(Object.values(ErrorCode).toSorted());
});
