import { type ReactNode, useId } from 'react';
import styles from './Card.module.css';
import { cx } from './cx.js';

export interface CardProps {
  /** An h2, which also names the section. */
  title?: string | undefined;
  description?: ReactNode;
  /** On the right of the title. */
  actions?: ReactNode;
  /** The content reaches the edges: for tables. */
  flush?: boolean | undefined;
  children: ReactNode;
}

/** One subject of a page. */
export function Card({ title, description, actions, flush, children }: CardProps) {
  const id = useId();
  return (
    <section className={styles.card} aria-labelledby={title ? id : undefined}>
      {(title || actions) && (
        <header className={styles.header}>
          <div>
            {title && <h2 id={id}>{title}</h2>}
            {description && <p className={styles.description}>{description}</p>}
          </div>
          {actions && <div className={styles.actions}>{actions}</div>}
        </header>
      )}
      <div className={flush ? styles.flush : styles.body}>{children}</div>
    </section>
  );
}

/** Cards beside each other, as many as fit. @param columns how many on a wide page */
export function Grid({ columns = 2, children }: { columns?: 2 | 3; children: ReactNode }) {
  return <div className={cx(styles.grid, columns === 3 && styles.third)}>{children}</div>;
}

/** A narrow column of things to do beside what they are about. Where the page is narrow, it is above. */
export function Split({ side, children }: { side: ReactNode; children: ReactNode }) {
  return (
    <div className={styles.split}>
      <div className={cx(styles.stack, styles.close)}>{side}</div>
      <div className={cx(styles.stack, styles.close)}>{children}</div>
    </div>
  );
}

/** Below each other, with the space between cards; `tight` for what belongs together. */
export function Stack({ tight, children }: { tight?: boolean; children: ReactNode }) {
  return <div className={cx(styles.stack, tight && styles.tight)}>{children}</div>;
}

/** Beside each other, wrapped where the page is narrow. */
export function Row({ children }: { children: ReactNode }) {
  return <div className={styles.row}>{children}</div>;
}

/** One number. Its unit stands in the value or the label. */
export function Stat({
  label,
  value,
  note,
  tone,
  plain,
}: {
  label: string;
  value: ReactNode;
  /** A change, a limit, a time. */
  note?: ReactNode;
  tone?: 'success' | 'warning' | 'danger' | undefined;
  /** Without space around it, inside a card. */
  plain?: boolean | undefined;
}) {
  return (
    <div className={cx(styles.stat, plain && styles.plain)}>
      <dt className={styles.statLabel}>{label}</dt>
      <dd className={styles.statValue}>{value}</dd>
      {note && <dd className={cx(styles.statNote, tone && styles[tone])}>{note}</dd>}
    </div>
  );
}

/** Several numbers in one card. */
export function Stats({ label, children }: { label: string; children: ReactNode }) {
  return (
    <section aria-label={label}>
      <dl className={cx(styles.card, styles.stats)}>{children}</dl>
    </section>
  );
}

/** Names and values below each other. What is null, undefined, false or '' is left out. */
export function KeyValue({
  items,
}: {
  items: readonly ([string, ReactNode] | null | undefined | false | '')[];
}) {
  return (
    <dl className={styles.keyValue}>
      {items.map(
        (item) =>
          item && (
            <KeyValueItem key={item[0]} name={item[0]}>
              {item[1]}
            </KeyValueItem>
          ),
      )}
    </dl>
  );
}

function KeyValueItem({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}
