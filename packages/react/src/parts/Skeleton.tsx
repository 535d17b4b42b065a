import { useBillingContext } from '../BillingProvider.js';

/** Stands where something will be, in about its size, so that nothing jumps. */
export function Skeleton({ lines = 3 }: { lines?: number }) {
  const { texts } = useBillingContext();
  return (
    <div className="cb-skeleton" role="status">
      <span className="cb-hidden">{texts.loading}</span>
      {Array.from({ length: lines }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all the same
        <span key={index} className="cb-skeleton-line" />
      ))}
    </div>
  );
}
