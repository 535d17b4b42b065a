export type Interval = 'day' | 'week' | 'month' | 'year';

const DAY_S = 86_400;

/**
 * The end of the `count`-th period after an anchor, as Stripe counts them: always from the anchor, so that a
 * subscription of 31 January ends on 28 February and then again on 31 March.
 * @param anchorS seconds since the epoch
 * @returns seconds since the epoch
 */
export function addIntervals(anchorS: number, interval: Interval, count: number): number {
  if (interval === 'day') return anchorS + count * DAY_S;
  if (interval === 'week') return anchorS + count * 7 * DAY_S;
  return addMonths(anchorS, interval === 'year' ? count * 12 : count);
}

function addMonths(anchorS: number, months: number): number {
  const anchor = new Date(anchorS * 1000);
  const monthIndex = anchor.getUTCMonth() + months;
  const lastDay = new Date(Date.UTC(anchor.getUTCFullYear(), monthIndex + 1, 0)).getUTCDate();
  const sinceMidnightMs = anchor.getTime() % (DAY_S * 1000);
  const day = Math.min(anchor.getUTCDate(), lastDay);
  return Math.floor((Date.UTC(anchor.getUTCFullYear(), monthIndex, day) + sinceMidnightMs) / 1000);
}

/**
 * The first period boundary after a moment.
 * @param anchorS where the cycle began, seconds since the epoch
 * @param afterS seconds since the epoch; the answer is later than this
 */
export function nextBoundary(
  anchorS: number,
  interval: Interval,
  intervalCount: number,
  afterS: number,
): number {
  const lengthS =
    { day: DAY_S, week: 7 * DAY_S, month: 31 * DAY_S, year: 366 * DAY_S }[interval] * intervalCount;
  // Periods are never longer than lengthS, so this guess is never past the answer.
  let index = Math.max(1, Math.floor((afterS - anchorS) / lengthS));
  let boundary = addIntervals(anchorS, interval, index * intervalCount);
  while (boundary <= afterS) {
    index += 1;
    boundary = addIntervals(anchorS, interval, index * intervalCount);
  }
  return boundary;
}
