import { CircleCheck } from 'lucide-react';
import { Link as RouterLink } from 'react-router';
import styles from './Attentions.module.css';
import { cx } from './cx.js';

export interface AttentionItem {
  id: string;
  tone: 'neutral' | 'warning' | 'danger';
  text: string;
  /** Where it is dealt with. */
  to?: string;
}

/** Short notes in a row, each of which leads to where it is dealt with. */
export function Attentions({
  label,
  items,
  nothing,
}: {
  label: string;
  items: readonly (AttentionItem | false)[];
  /** Said when there is none. */
  nothing: string;
}) {
  const shown = items.filter((item) => item !== false);
  return (
    <section aria-label={label}>
      {shown.length === 0 ? (
        <p className={styles.nothing}>
          <CircleCheck size={16} aria-hidden="true" />
          {nothing}
        </p>
      ) : (
        <ul className={styles.list}>
          {shown.map(({ id, tone, text, to }) => (
            <li key={id}>
              {to ? (
                <RouterLink to={to} className={cx(styles.item, styles[tone], styles.link)}>
                  {text}
                </RouterLink>
              ) : (
                <span className={cx(styles.item, styles[tone])}>{text}</span>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
