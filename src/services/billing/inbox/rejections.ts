/** Why a request to the webhook was rejected. Only `livemode` is stored, as an ignored event. */
export const REJECTIONS = ['signature', 'timestamp', 'body', 'size', 'conflict', 'livemode'] as const;
export type Rejection = (typeof REJECTIONS)[number];

/** Counts rejected requests to the webhook since the start of the process. */
export interface Rejections {
  count(why: Rejection): void;
  totals(): Readonly<Record<Rejection, number>>;
}

export function createRejections(): Rejections {
  const totals = Object.fromEntries(REJECTIONS.map((why) => [why, 0])) as Record<Rejection, number>;
  return {
    count(why) {
      totals[why] += 1;
    },
    totals: () => ({ ...totals }),
  };
}
