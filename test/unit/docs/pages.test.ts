import { expect, it } from 'vitest';
import { unlistedPages } from '../../../docs/.vitepress/pages.js';

it('every page is in the list of docs/README.md, and the list has no others', () => {
  expect(unlistedPages()).toEqual([]);
});
