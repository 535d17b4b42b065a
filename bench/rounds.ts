import { median, quantile } from './median.js';
import type { Progress } from './progress.js';

/** One who takes part in every round. */
export interface Contestant {
  name: string;
  round(seconds: number): Promise<Measured>;
}

export interface Measured {
  /** Things done in a second. */
  throughput: number;
  p50Ms: number;
  p99Ms: number;
  /** The server's processor time for one of them. Less than throughput does it depend on what else the machine does. */
  cpuMs?: number;
}

export interface Standing extends Measured {
  name: string;
  /** The ratio of throughputs in the same round, so that a drift of the machine affects both. */
  ratio: number;
}

/**
 * Runs all contestants in turn, round after round (A B C A B C), and reports the median of the rounds.
 * @param contestants ratios are to the first
 */
export async function compete(
  contestants: readonly Contestant[],
  { rounds, seconds, progress }: { rounds: number; seconds: number; progress: Progress },
): Promise<Standing[]> {
  const measured = contestants.map((): Measured[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, contestant] of contestants.entries()) {
      progress(`round ${round + 1} of ${rounds}: ${contestant.name}`);
      measured[i]?.push(await contestant.round(seconds));
    }
  }
  const base = measured[0] ?? [];
  return contestants.map(({ name }, i) => {
    const own = measured[i] ?? [];
    const cpuMs = own.flatMap((round) => round.cpuMs ?? []);
    return {
      name,
      throughput: median(own.map(({ throughput }) => throughput)),
      ratio: median(own.map(({ throughput }, round) => throughput / (base[round]?.throughput ?? Number.NaN))),
      p50Ms: median(own.map(({ p50Ms }) => p50Ms)),
      p99Ms: median(own.map(({ p99Ms }) => p99Ms)),
      ...(cpuMs.length > 0 && { cpuMs: median(cpuMs) }),
    };
  });
}

/** @param tookMs of all that was done @param seconds in so long */
export const measuredOf = (tookMs: readonly number[], seconds: number): Measured => ({
  throughput: tookMs.length / seconds,
  p50Ms: quantile(tookMs, 0.5),
  p99Ms: quantile(tookMs, 0.99),
});
