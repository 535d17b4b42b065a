import { expect, it } from 'vitest';
import { createEndpointNames } from '../../../src/services/limits/ledger/endpointNames.js';

const NAMES = Array.from({ length: 500 }, (_, i) => `e${i}`);

function countedReads() {
  const reads: string[] = [];
  const endpointNames = createEndpointNames({
    usageDays: {
      async read([range]) {
        reads.push(range?.tenantId ?? '');
        return [];
      },
    },
  });
  return { endpointNames, reads };
}

it('reads a day once for concurrent calls, and answers them in order', async () => {
  const { endpointNames, reads } = countedReads();
  const answered: string[] = [];
  const ask = async (name: string) => {
    await endpointNames.admit('ten_1:2026-11-28', [name]);
    answered.push(name);
  };
  await Promise.all(['a', 'b', 'c'].map(ask));
  await ask('d');
  expect(answered).toEqual(['a', 'b', 'c', 'd']);
  expect(reads).toEqual(['ten_1']);
});

it('forgets the days that were not used for longest when there are half a million names', async () => {
  const { endpointNames, reads } = countedReads();
  for (let tenant = 0; tenant < 1_000; tenant++) {
    const day = `ten_${tenant}:2026-11-28`;
    // A day's names come one after the other.
    await endpointNames.admit(day, ['first']);
    await endpointNames.admit(day, NAMES);
  }
  expect(reads.length).toBe(1_000);
  await endpointNames.admit('ten_999:2026-11-28', NAMES);
  expect(reads.length).toBe(1_000);
  await endpointNames.admit('ten_0:2026-11-28', NAMES);
  expect(reads.length).toBe(1_001);
});
