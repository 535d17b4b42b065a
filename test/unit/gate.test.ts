import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createGate, type Gate } from '../../src/services/infrastructure/gate.js';

/** Work that the test itself begins and ends. */
function workOf(gate: Gate) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    begun,
    start: (name: string, units: number, caller = 'one') =>
      gate.enter(caller, units).then((end) => {
        begun.push(name);
        ends.set(name, end);
      }),
    end: (name: string) => ends.get(name)?.(),
  };
}

function keepBusy(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}

describe('work behind a gate', () => {
  it('waits while the rest leaves no room, and begins in its order', async () => {
    const { begun, start, end } = workOf(createGate({ maxUnits: 100 }));
    await Promise.all([start('a', 60), start('b', 40)]);
    const others = [start('c', 50), start('d', 10)];
    end('b');
    await sleep(1);
    // There is room for d, but c came first.
    expect(begun).toEqual(['a', 'b']);
    end('a');
    await Promise.all(others);
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
  });

  it('of one caller lets that of another go between it', async () => {
    const gate = createGate({ maxUnits: 100 });
    const begun: string[] = [];
    const run = (caller: string, name: string) =>
      gate.run(caller, 100, async () => {
        begun.push(name);
        await sleep(1);
      });
    await Promise.all([run('a', 'a1'), run('a', 'a2'), run('a', 'a3'), run('b', 'b1')]);
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3']);
  });

  it('of one caller never takes more than its share, and those behind it need not wait', async () => {
    const { begun, start, end } = workOf(createGate({ maxUnits: 100, maxUnitsEach: 50 }));
    await start('a1', 50, 'a');
    const second = start('a2', 50, 'a');
    await start('b1', 50, 'b');
    expect(begun).toEqual(['a1', 'b1']);
    end('a1');
    await second;
  });

  it('with more units than may be under way runs alone', async () => {
    const { begun, start, end } = workOf(createGate({ maxUnits: 100, maxUnitsEach: 100 }));
    await start('a', 1_000);
    const next = start('b', 1);
    await sleep(1);
    expect(begun).toEqual(['a']);
    end('a');
    end('a');
    await next;
  });

  it('is rejected when too much of its caller waits, or it has waited too long, and then waits no more', async () => {
    const gate = createGate({ maxUnits: 1, maxWaiting: 1, maxWaitMs: 50 });
    const end = await gate.enter('a', 1);
    const waiting = gate.enter('a', 1);
    const ofAnother = gate.enter('b', 1);
    await expect(gate.enter('a', 1)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    await expect(waiting).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    await expect(ofAnother).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    end();
    (await gate.enter('b', 1))();
  });

  it('that fails makes room too', async () => {
    const gate = createGate({ maxUnits: 1 });
    await expect(gate.run('a', 1, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await gate.run('a', 1, async () => 'yes')).toBe('yes');
  });

  it('that kept the event loop busy leaves it to others for as long', async () => {
    const gate = createGate({ maxUnits: 1, maxPauseMs: 60 });
    for (const [busyMs, atLeastMs, atMostMs] of [
      [30, 20, 1_000],
      [500, 50, 400],
    ] as const) {
      await gate.run('a', 1, async () => keepBusy(busyMs));
      const endedMs = performance.now();
      (await gate.enter('a', 1))();
      expect(performance.now() - endedMs).toBeGreaterThanOrEqual(atLeastMs);
      expect(performance.now() - endedMs).toBeLessThan(atMostMs);
    }
  });

  it('always begins after a pause, whenever it came', async () => {
    const gate = createGate({ maxUnits: 1, maxPauseMs: 100, maxWaitMs: 2_000 });
    for (let i = 0; i < 200; i++) {
      const end = await gate.enter('a', 1);
      if (i % 20 === 0) keepBusy(i % 7);
      end();
    }
  });
});
