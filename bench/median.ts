/** @returns NaN of nothing */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** @param share 0 to 1; between two ranks it is the mean of both */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}
