import { Progress } from '@base-ui/react/progress';
import type { ReactNode } from 'react';
import { formatPercent } from './format.js';
import styles from './Usage.module.css';

/** How much of a piece of work is done. @param done 0 to 1 */
export function ProgressBar({ label, done, note }: { label: string; done: number; note?: ReactNode }) {
  return (
    <Progress.Root
      className={styles.root}
      value={Math.round(Math.min(Math.max(done, 0), 1) * 100)}
      aria-valuetext={formatPercent(done)}
    >
      <Progress.Label className={styles.label}>{label}</Progress.Label>
      <span className={styles.value} aria-hidden="true">
        {formatPercent(done)}
      </span>
      <Progress.Track className={styles.track}>
        <Progress.Indicator className={styles.bar} />
      </Progress.Track>
      {note && <span className={styles.note}>{note}</span>}
    </Progress.Root>
  );
}
