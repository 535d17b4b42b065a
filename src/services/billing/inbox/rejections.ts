/** Why a request to the webhook was refused; `livemode` alone is stored, as an ignored event. */
export const REFUSALS = ['signature', 'timestamp', 'body', 'size', 'conflict', 'livemode'] as const;
export type Refusal = (typeof REFUSALS)[number];

/** Requests that change nothing, counted since the start of the process. */
export interface Refusals {
  count(why: Refusal): void;
  totals(): Readonly<Record<Refusal, number>>;
}

export function createRefusals(): Refusals {
  const totals = Object.fromEntries(REFUSALS.map((why) => [why, 0])) as Record<Refusal, number>;
  return {
    count(why) {
      totals[why] += 1;
    },
    totals: () => ({ ...totals }),
  };
}
