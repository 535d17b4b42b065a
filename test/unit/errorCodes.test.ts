import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { BillingError, ErrorCode } from '../../src/common/errors.js';

it.each(Object.values(ErrorCode))('%s is in the table of docs/errors.md, with its status', (code) => {
  const page = readFileSync('docs/errors.md', 'utf8');
  expect(page).toContain(`| \`${code}\` | ${new BillingError(code, '').status} |`);
});
