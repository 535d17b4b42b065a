import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createWorkGate } from '../../src/services/limits/workGate.js';

/** Lets all that can begin, begin: a pause is as long as the work was, at most 100 ms. */
const settle = () => sleep(150);

describe('large operations', () => {
  it('wait while those under way leave no room, and begin in their order', async () => {
    const gate = createWorkGate({ maxUnits: 100 });
    const begun: string[] = [];
    const ends = new Map<string, () => void>();
    const start = (name: string, units: number) =>
      void gate.enter('one', units).then((end) => {
        begun.push(name);
        ends.set(name, end);
      });
    start('a', 60);
    start('b', 40);
    start('c', 10);
    await settle();
    expect(begun).toEqual(['a', 'b']);
    ends.get('b')?.();
    await settle();
    expect(begun).toEqual(['a', 'b', 'c']);
  });

  it('of one caller let those of another go between them', async () => {
    const gate = createWorkGate({ maxUnits: 100 });
    const begun: string[] = [];
    const start = (caller: string, name: string) =>
      gate.enter(caller, 100).then(async (end) => {
        begun.push(name);
        await sleep(1);
        end();
      });
    const all = ['a1', 'a2', 'a3'].map((name) => start('a', name));
    all.push(start('b', 'b1'));
    await Promise.all(all);
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3']);
  });

  it('that come during the pause after another begin when it is over', async () => {
    const gate = createWorkGate({ maxUnits: 100, maxWaitMs: 2_000 });
    for (let i = 0; i < 200; i++) {
      const end = await gate.enter('a', 100);
      if (i % 20 === 0) await sleep(i % 7);
      end();
    }
  });

  it('with more units than may be under way run alone', async () => {
    const gate = createWorkGate({ maxUnits: 100 });
    const end = await gate.enter('a', 1_000);
    let begun = false;
    const next = gate.enter('b', 1).then(() => {
      begun = true;
    });
    await settle();
    expect(begun).toBe(false);
    end();
    end();
    await next;
  });

  it('are rejected when too many wait, or one has waited too long, and then wait no more', async () => {
    const gate = createWorkGate({ maxUnits: 1, maxWaiting: 1, maxWaitMs: 300 });
    const end = await gate.enter('a', 1);
    const waiting = gate.enter('a', 1);
    await expect(gate.enter('b', 1)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    await expect(waiting).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    end();
    (await gate.enter('b', 1))();
  });
});
