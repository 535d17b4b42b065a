import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { BillingError, ErrorCode } from '../../src/common/errors.js';

it.each(Object.values(ErrorCode))('%s is in the table of the guide, with its status', (code) => {
  const guide = readFileSync('docs/guide.md', 'utf8');
  expect(guide).toContain(`| \`${code}\` | ${new BillingError(code, '').status} |`);
});
