import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createTurns } from '../../src/services/infrastructure/turns.js';

it('runs works that share a name in the order in which they were asked for, others at once', async () => {
  const turns = createTurns();
  const log: string[] = [];
  const work = (name: string, ms: number) => async () => {
    log.push(`${name} begins`);
    await sleep(ms);
    log.push(`${name} ends`);
    return name;
  };
  const results = await Promise.all([
    turns.run(['a', 'b'], work('first', 30)),
    turns.run(['b', 'c'], work('second', 1)),
    turns.run(['c'], work('third', 1)),
    turns.run(['d'], work('other', 1)),
  ]);
  expect(results).toEqual(['first', 'second', 'third', 'other']);
  const shared = log.filter((line) => !line.startsWith('other'));
  expect(shared).toEqual(['first', 'second', 'third'].flatMap((name) => [`${name} begins`, `${name} ends`]));
  expect(log.indexOf('other ends')).toBeLessThan(log.indexOf('first ends'));
});

it('goes on after a work that failed, and forgets names without works', async () => {
  const turns = createTurns();
  const failed = turns.run(['a'], () => Promise.reject(new Error('no')));
  const next = turns.run(['a'], async () => 'next');
  expect(turns.isTaken('a')).toBe(true);
  await expect(failed).rejects.toThrow('no');
  expect(await next).toBe('next');
  await sleep(0);
  expect(turns.isTaken('a')).toBe(false);
});
