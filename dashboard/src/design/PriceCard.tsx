import { Check } from 'lucide-react';
import { type ReactNode, useId } from 'react';
import styles from './PriceCard.module.css';

export interface PriceCardProps {
  name: string;
  /** Of the name: one below the heading that the cards are under. */
  heading?: 'h2' | 'h3' | undefined;
  badge?: ReactNode;
  /** A sentence or two below the name. */
  description?: string | undefined;
  /** With its currency, or in words. */
  price: string;
  /** After the price: "a month". */
  per?: string | undefined;
  /** Below the price: a trial, when a change takes effect. */
  note?: ReactNode;
  action?: ReactNode;
  /** What is counted, each with its number and unit. */
  amounts: readonly string[];
  /** What is included without a number. */
  features: readonly string[];
  /** Below everything: what help there is. */
  foot?: ReactNode;
  /** The one that the person has. */
  current?: boolean | undefined;
}

/** What can be bought, as a list of cards beside each other, whose parts are at the same height. */
export function PriceCards({ label, children }: { label: string; children: ReactNode }) {
  return (
    <ul className={styles.cards} aria-label={label}>
      {children}
    </ul>
  );
}

export function PriceCard({
  name,
  heading: Heading = 'h3',
  badge,
  description,
  price,
  per,
  note,
  action,
  amounts,
  features,
  foot,
  current,
}: PriceCardProps) {
  const id = useId();
  return (
    <li className={styles.item}>
      <article className={styles.card} aria-labelledby={id} data-current={current || undefined}>
        <div className={styles.head}>
          <Heading id={id}>{name}</Heading>
          {badge}
          {description && <p className={styles.description}>{description}</p>}
        </div>
        <p className={styles.price}>
          <span className={styles.amount}>{price}</span> {per && <span className={styles.per}>{per}</span>}
        </p>
        <div className={styles.note}>{note}</div>
        <div className={styles.action}>{action}</div>
        <ul className={styles.lines}>
          {amounts.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        {features.length > 0 ? (
          <ul className={styles.features}>
            {features.map((feature) => (
              <li key={feature}>
                <Check size={15} aria-hidden="true" />
                {feature}
              </li>
            ))}
          </ul>
        ) : (
          <div />
        )}
        <p className={styles.foot}>{foot}</p>
      </article>
    </li>
  );
}
