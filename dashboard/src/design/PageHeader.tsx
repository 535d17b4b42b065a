import { ArrowLeft } from 'lucide-react';
import { type ReactNode, useEffect, useRef } from 'react';
import { Link } from './Link.js';
import styles from './PageHeader.module.css';

/** What the tab of the browser says after the page's own title. */
let product = 'Continuum Billing';

/** It may be known only after the page has named its tab. */
export function setProductName(name: string): void {
  const end = ` · ${product}`;
  if (document.title.endsWith(end)) document.title = `${document.title.slice(0, -end.length)} · ${name}`;
  product = name;
}

/** Names the browser's tab. */
export function usePageTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · ${product}`;
  }, [title]);
}

/** Each page begins with one. It names the browser's tab, and takes the focus after a change of page. */
export function PageHeader({
  title,
  badges,
  description,
  facts,
  back,
  actions,
}: {
  title: string;
  badges?: ReactNode;
  description?: ReactNode;
  /** What identifies the thing, in one line below its name. */
  facts?: readonly (readonly [string, ReactNode])[] | undefined;
  /** The list that the page belongs to. */
  back?: { to: string; label: string } | undefined;
  actions?: ReactNode;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  usePageTitle(title);
  useEffect(() => {
    // After a click on a link, screen readers begin here. On the first load the browser decides.
    if (document.activeElement?.closest('main, nav')) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <header className={styles.header}>
      <div className={styles.titles}>
        {back && (
          <Link to={back.to} className={styles.back ?? ''}>
            <ArrowLeft size={13} aria-hidden="true" /> {back.label}
          </Link>
        )}
        <div className={styles.title}>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {badges}
        </div>
        {description && <p className={styles.description}>{description}</p>}
      </div>
      {actions && <div className={styles.actions}>{actions}</div>}
      {facts && (
        <dl className={styles.facts}>
          {facts.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
    </header>
  );
}
