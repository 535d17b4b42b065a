import type { LucideIcon } from 'lucide-react';
import { type ReactNode, useId } from 'react';
import type { Tone } from './Badge.js';
import { cx } from './cx.js';
import styles from './Timeline.module.css';
import tones from './tones.module.css';

/** What happened, step by step, below each other. */
export function Timeline({ label, children }: { label: string; children: ReactNode }) {
  return (
    <ol className={styles.timeline} aria-label={label}>
      {children}
    </ol>
  );
}

/** Several steps with one cause. */
export function TimelineGroup({
  title,
  note,
  children,
}: {
  title: string;
  /** Beside the title: when it was. */
  note?: ReactNode;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <section className={styles.group} aria-labelledby={id}>
      <header className={styles.groupHead}>
        <h3 id={id}>{title}</h3>
        {note && <span className={styles.note}>{note}</span>}
      </header>
      {children}
    </section>
  );
}

/** One step. */
export function TimelineItem({
  icon: Icon,
  tone = 'neutral',
  where,
  title,
  badges,
  at,
  children,
}: {
  icon: LucideIcon;
  tone?: Tone | undefined;
  /** Where it happened, in a word or two: "At Stripe". */
  where: string;
  title: ReactNode;
  /** How far it is. */
  badges?: ReactNode;
  /** On the right: when. */
  at?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <li className={styles.item}>
      <span className={cx(styles.mark, tones[tone])}>
        <Icon size={14} aria-hidden="true" />
      </span>
      <div className={styles.body}>
        <div className={styles.head}>
          <span className={styles.where}>{where}</span>
          <span className={styles.title}>{title}</span>
          {badges && <span className={styles.badges}>{badges}</span>}
          {at && <span className={styles.at}>{at}</span>}
        </div>
        {children && <div className={styles.text}>{children}</div>}
      </div>
    </li>
  );
}
