/** A small seeded generator (mulberry32): the same seed gives the same numbers. */
export interface Random {
  readonly seed: number;
  /** 0 up to, not including, 1. */
  next(): number;
  /** A whole number, both ends included. */
  between(least: number, most: number): number;
  pick<T>(items: readonly T[]): T;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return {
    seed,
    next,
    between,
    pick: <T>(items: readonly T[]) => items[between(0, items.length - 1)] as T,
  };
}

/** From the environment's SEED, to repeat a run; else a new one. */
export function seedOfRun(): number {
  const given = Number(process.env.SEED);
  return Number.isSafeInteger(given) && given > 0 ? given : Math.ceil(Math.random() * 1_000_000_000);
}
