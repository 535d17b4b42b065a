import type { UsagePeriod } from '@continuum-billing/client';
import type { ReactNode } from 'react';
import { useBillingContext } from './BillingProvider.js';
import { UNLIMITED } from './formats.js';
import { useEntitlements, useUsage } from './hooks.js';
import { ErrorState } from './parts/Callout.js';
import { Meter } from './parts/Meter.js';
import { Skeleton } from './parts/Skeleton.js';
import { useWords } from './words.js';

export interface UsageMeterProps {
  /** Calls of the current window. Default: `DAY`. */
  period?: UsagePeriod | undefined;
  /** Instead: one of `useEntitlements` that is counted, such as a stored resource (`seats`), or `bytes`. */
  entitlement?: string | undefined;
  /** Default: "Today", or the entitlement's name for people. */
  label?: string | undefined;
  /** Adds the unit to a number. */
  format?: ((value: number) => string) | undefined;
  /** Instead of the placeholder while it is loading. */
  fallback?: ReactNode;
}

/** How much of a limit is used, as it changes. What the tier does not have at all is not shown. */
export function UsageMeter({ entitlement, period = 'DAY', ...props }: UsageMeterProps) {
  return (
    <div className="cb">
      {entitlement === undefined ? (
        <CallsMeter period={period} {...props} />
      ) : (
        <EntitlementMeter name={entitlement} {...props} />
      )}
    </div>
  );
}

type Common = Pick<UsageMeterProps, 'label' | 'format' | 'fallback'>;

function CallsMeter({ period, label, format, fallback }: Common & { period: UsagePeriod }) {
  const { data, error, refetch } = useUsage(period);
  const { texts } = useBillingContext();
  const { calls } = useWords();
  if (!data) return <Absent error={error} onRetry={refetch} fallback={fallback} />;
  const { apiCalls, limit, overageCalls, resetsAt } = data;
  const names = { MINUTE: texts.thisMinute, HOUR: texts.thisHour, DAY: texts.today, MONTH: texts.thisMonth };
  const isUnlimited = limit === null || limit === UNLIMITED;
  return (
    <Meter
      label={label ?? names[period]}
      // Calls beyond the quota are paid for apart.
      used={limit === null ? apiCalls : Math.min(apiCalls, limit)}
      limit={isUnlimited ? null : limit}
      isUnlimited={isUnlimited && (period === 'DAY' || period === 'MINUTE')}
      format={format ?? calls}
      // A minute is over before anybody has read when.
      resetsAt={period === 'MINUTE' ? null : resetsAt}
      note={period === 'DAY' && overageCalls > 0 && texts.beyond(calls(overageCalls))}
    />
  );
}

function EntitlementMeter({ name, label, format, fallback }: Common & { name: string }) {
  const { data, error, refetch } = useEntitlements();
  const { texts } = useBillingContext();
  const words = useWords();
  if (!data) return <Absent error={error} onRetry={refetch} fallback={fallback} />;
  const found = data.find((entitlement) => entitlement.name === name);
  const used = found?.used ?? null;
  if (!found || used === null || (found.limit === 0 && used === 0)) return null;
  const unit = name === 'bytes' ? words.bytes : found.kind === 'LIMIT' ? words.calls : words.number;
  return (
    <Meter
      label={label ?? (name === 'bytes' ? texts.space : found.displayName)}
      used={used}
      limit={found.limit}
      isUnlimited
      format={format ?? unit}
      resetsAt={found.window === 'MINUTE' ? null : found.resetsAt}
    />
  );
}

function Absent({
  error,
  onRetry,
  fallback,
}: {
  error: Error | null;
  onRetry(): unknown;
  fallback: ReactNode;
}) {
  if (error) return <ErrorState error={error} onRetry={onRetry} />;
  return fallback ?? <Skeleton lines={2} />;
}
