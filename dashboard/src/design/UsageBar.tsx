import { Meter } from '@base-ui/react/meter';
import { type ReactNode, useId } from 'react';
import { cx } from './cx.js';
import { formatInstant, formatNumber, formatPercent, formatRelative, isUnlimited } from './format.js';
import styles from './Usage.module.css';

const NEAR = 0.8;

/** How much of a limit is used. */
export function UsageBar({
  label,
  used,
  limit: given,
  format = formatNumber,
  resetsAt,
  note,
}: {
  label: string;
  used: number;
  /** null: there is no limit, and so no bar. */
  limit: number | null;
  /** Adds the unit: formatBytes, or `(n) => formatCount(n, 'call')`. */
  format?: (value: number) => string;
  resetsAt?: string | null | undefined;
  note?: ReactNode;
}) {
  const id = useId();
  const limit = given !== null && isUnlimited(given) ? null : given;
  const without = limit === given ? 'no limit' : 'unlimited';
  const ratio = limit === null ? 0 : limit === 0 ? 1 : used / limit;
  const words =
    limit === null
      ? `${format(used)}, ${without}`
      : `${format(used)} of ${format(limit)}, ${formatPercent(ratio)}`;
  return (
    <Meter.Root
      className={styles.root}
      value={Math.min(used, limit ?? used)}
      min={0}
      max={Math.max(limit ?? used, 1)}
      aria-labelledby={id}
      aria-valuetext={words}
    >
      <span id={id} className={styles.label}>
        {label}
      </span>
      <span className={styles.value}>
        {format(used)}
        <span className={styles.limit}>
          {limit === null ? `, ${without}` : ` of ${format(limit)} · ${formatPercent(ratio)}`}
        </span>
      </span>
      {limit !== null && (
        <Meter.Track className={styles.track}>
          <Meter.Indicator
            className={cx(styles.bar, ratio >= 1 ? styles.full : ratio >= NEAR && styles.near)}
          />
        </Meter.Track>
      )}
      {(resetsAt || note) && (
        <span className={styles.note}>
          {resetsAt && (
            <time dateTime={resetsAt} title={formatInstant(resetsAt, { seconds: true })}>
              Resets {formatRelative(resetsAt)}, at {formatInstant(resetsAt)}
            </time>
          )}
          {resetsAt && note && ' · '}
          {note}
        </span>
      )}
    </Meter.Root>
  );
}
