import { type ReactNode, useId } from 'react';
import { CheckIcon } from './icons.js';

export interface PriceCardProps {
  name: string;
  /** Of the name: one below the heading that the cards are under. */
  heading: 'h2' | 'h3' | 'h4';
  badge?: ReactNode;
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
  highlighted?: boolean | undefined;
}

/** What can be bought: one of several cards beside each other, whose parts are at the same height. */
export function PriceCard(props: PriceCardProps) {
  const { name, heading: Heading, badge, description, price, per, note, action } = props;
  const { amounts, features, foot, current, highlighted } = props;
  const id = useId();
  return (
    <li className="cb-price-item">
      <article
        className="cb-price-card"
        aria-labelledby={id}
        data-current={current || undefined}
        data-highlighted={highlighted || undefined}
      >
        <div className="cb-price-head">
          <Heading id={id}>{name}</Heading>
          {badge}
          {description && <p className="cb-price-description">{description}</p>}
        </div>
        <p className="cb-price">
          <span className="cb-price-amount">{price}</span>{' '}
          {per && <span className="cb-price-per">{per}</span>}
        </p>
        <div className="cb-price-note">{note}</div>
        <div className="cb-price-action">{action}</div>
        <ul className="cb-price-lines">
          {amounts.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        {features.length > 0 ? (
          <ul className="cb-price-features">
            {features.map((feature) => (
              <li key={feature}>
                <CheckIcon />
                {feature}
              </li>
            ))}
          </ul>
        ) : (
          <div />
        )}
        <p className="cb-price-foot">{foot}</p>
      </article>
    </li>
  );
}
