import { ExternalLink } from 'lucide-react';
import type { ReactNode } from 'react';
import { Link as RouterLink } from 'react-router';
import { cx } from './cx.js';
import styles from './Link.module.css';
import { VisuallyHidden } from './VisuallyHidden.js';

/** A link within these pages. `to` is relative to the router: `/tenants/123`. */
export function Link({ to, children, className }: { to: string; children: ReactNode; className?: string }) {
  return (
    <RouterLink to={to} className={cx(styles.link, className)}>
      {children}
    </RouterLink>
  );
}

/** Only http and https: an address may come from somebody else, and `javascript:` is one too. */
export function isWebAddress(href: string): boolean {
  return /^https?:\/\//i.test(href);
}

/** A link to another site, in a new tab. What is not a web address is shown as text. */
export function LinkOut({ href, children }: { href: string; children: ReactNode }) {
  if (!isWebAddress(href)) return <span>{children}</span>;
  return (
    <a href={href} target="_blank" rel="noreferrer" className={styles.link}>
      {children}
      <ExternalLink size={13} aria-hidden="true" className={styles.icon} />
      <VisuallyHidden> (opens a new tab)</VisuallyHidden>
    </a>
  );
}
