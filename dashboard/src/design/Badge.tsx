import type { ReactNode } from 'react';
import styles from './Badge.module.css';
import { cx } from './cx.js';
import { formatEnum } from './format.js';
import tones from './tones.module.css';

export type Tone = 'neutral' | 'accent' | 'success' | 'warning' | 'danger';

/** A short word about a thing: its tier, its role. */
export function Badge({ tone = 'neutral', children }: { tone?: Tone | undefined; children: ReactNode }) {
  return <span className={cx(styles.badge, tones[tone])}>{children}</span>;
}

/** How each state of the API looks, everywhere the same. What is not listed is neutral. */
const TONES: Readonly<Record<string, Tone>> = {
  ACTIVE: 'success',
  TRIALING: 'accent',
  PAST_DUE: 'warning',
  UNPAID: 'danger',
  INCOMPLETE: 'warning',
  INCOMPLETE_EXPIRED: 'neutral',
  CANCELED: 'neutral',
  PAUSED: 'warning',
  SUSPENDED: 'danger',
  ERASED: 'neutral',
  NEAR_LIMIT: 'warning',
  OVER_LIMIT: 'danger',
  APPLIED: 'success',
  IGNORED: 'neutral',
  WAITING: 'warning',
  RECEIVED: 'accent',
  FAILED: 'danger',
  PENDING: 'warning',
  DELIVERED: 'success',
  REPORTED: 'success',
  CANCELING: 'warning',
  ENABLED: 'success',
  DISABLED: 'danger',
  COMPLETED: 'success',
  FINISHED: 'success',
  STOPPED: 'danger',
  INTERRUPTED: 'warning',
  REVOKED: 'neutral',
  EXPIRED: 'neutral',
  RUNNING: 'accent',
  RETRYING: 'warning',
  PAID: 'success',
  OPEN: 'warning',
  DRAFT: 'neutral',
  VOID: 'neutral',
  UNCOLLECTIBLE: 'danger',
  UP: 'success',
  DOWN: 'danger',
  REPAIRED: 'accent',
};

/** A state as the API names it, with its colour: `PAST_DUE` reads "Past due". */
export function Status({
  value,
  label,
  tone,
}: {
  value: string;
  /** Instead of the word made from the value. */
  label?: string | undefined;
  tone?: Tone | undefined;
}) {
  return (
    <span className={cx(styles.badge, tones[tone ?? TONES[value] ?? 'neutral'])}>
      <span className={styles.dot} aria-hidden="true" />
      {label ?? formatEnum(value)}
    </span>
  );
}
