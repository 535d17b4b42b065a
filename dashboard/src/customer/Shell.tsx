import { ArrowLeft } from 'lucide-react';
import type { ReactNode } from 'react';
import { pathOf } from '../api/brand.js';
import { isWebAddress } from '../design/index.js';
import { supportOf, useBrand } from './brand.js';
import styles from './Shell.module.css';

/** What surrounds both pages: whose product this is, the way back, and where help is. */
export function Shell({
  returnUrl,
  account,
  children,
}: {
  returnUrl?: string | null;
  /** Whose billing it is. */
  account?: string | undefined;
  children: ReactNode;
}) {
  const brand = useBrand();
  const { productName, logoUrl } = brand;
  const support = supportOf(brand);
  return (
    <div className={styles.shell}>
      <header className={styles.header}>
        <div className={styles.who}>
          <span className={styles.brand}>
            {logoUrl ? <img src={pathOf(logoUrl)} alt={productName} className={styles.logo} /> : productName}
          </span>
          {account && <span className={styles.account}>{account}</span>}
        </div>
        <nav aria-label="Pages" className={styles.nav}>
          {returnUrl && isWebAddress(returnUrl) && (
            <a href={returnUrl} className={styles.back}>
              <ArrowLeft size={14} aria-hidden="true" />
              Back to {productName}
            </a>
          )}
          {location.pathname !== '/upgrade' && <a href="/upgrade">Plans and prices</a>}
        </nav>
      </header>
      <main className={styles.main}>{children}</main>
      <footer className={styles.footer}>
        {support && (
          <p>
            Questions? <a href={support.href}>{support.label}</a>
          </p>
        )}
        <p>All dates and times are in UTC.</p>
      </footer>
    </div>
  );
}
