import { useQuery } from '@apollo/client/react';
import { LogOut, Menu as MenuIcon, X } from 'lucide-react';
import { lazy, Suspense, useEffect, useState } from 'react';
import { NavLink, Outlet, ScrollRestoration, useLocation, useNavigation } from 'react-router';
import { BRAND, operatorName, pathOf } from '../api/brand.js';
import { explain } from '../api/errors.js';
import {
  Badge,
  Button,
  cx,
  formatEnum,
  IconButton,
  setProductName,
  ThemeSwitch,
  toast,
} from '../design/index.js';
import { NAVIGATION } from './navigation.js';
import styles from './Shell.module.css';
import { useOperator, useSession } from './session.js';

/** In place of every page, for a key that may not read any. */
const ProvisionPage = lazy(() => import('./provision/index.js'));

/** The page of a tenant, on which such a key makes keys. */
const TENANT_PAGE = /^\/tenants\/[^/]+/;

/** What surrounds each page: where one can go, and who is signed in. */
export function Shell() {
  const operator = useOperator();
  const mayRead = operator.can('READ');
  const { pathname } = useLocation();
  const loading = useNavigation().state === 'loading';
  const [open, setOpen] = useState(false);
  const brand = useQuery(BRAND, { fetchPolicy: 'cache-first' }).data?.brand;
  const name = operatorName(brand);
  useEffect(() => setProductName(name), [name]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of page closes the menu
  useEffect(() => setOpen(false), [pathname]);
  return (
    <div className={styles.shell}>
      <a href="#content" className={styles.skip}>
        Skip to content
      </a>
      <header className={styles.side}>
        <div className={styles.brand}>
          {brand?.logoUrl ? (
            <img src={pathOf(brand.logoUrl)} alt="" className={styles.logo} />
          ) : (
            <span className={styles.mark} aria-hidden="true" />
          )}
          <span className={styles.name}>{name}</span>
          {operator.isMock && <Badge tone="warning">Mock mode</Badge>}
          <IconButton
            className={styles.toggle ?? ''}
            label={open ? 'Close menu' : 'Open menu'}
            aria-expanded={open}
            aria-controls="navigation"
            icon={open ? <X size={18} aria-hidden="true" /> : <MenuIcon size={18} aria-hidden="true" />}
            onClick={() => setOpen(!open)}
          />
        </div>
        <div id="navigation" className={cx(styles.menu, open && styles.open)}>
          <nav aria-label="Pages">
            <ul>
              {NAVIGATION.filter(({ mockOnly }) => mayRead && (!mockOnly || operator.isMock)).map(
                ({ to, label, icon: Icon }) => (
                  <li key={to}>
                    <NavLink to={to} end={to === '/'} className={styles.link ?? ''}>
                      <Icon size={16} aria-hidden="true" />
                      {label}
                    </NavLink>
                  </li>
                ),
              )}
            </ul>
          </nav>
          <Account />
        </div>
      </header>
      <main id="content" tabIndex={-1} className={cx(styles.main, loading && styles.loading)}>
        <div className={styles.page}>
          {mayRead || TENANT_PAGE.test(pathname) ? (
            <Outlet />
          ) : (
            <Suspense>
              <ProvisionPage />
            </Suspense>
          )}
        </div>
      </main>
      <ScrollRestoration />
    </div>
  );
}

function Account() {
  const { role, keyId, version } = useOperator();
  const { signOut } = useSession();
  async function leave(): Promise<void> {
    try {
      await signOut();
    } catch (error) {
      const { message, advice } = explain(error);
      toast({ tone: 'danger', title: 'You are still signed in', text: `${message} ${advice}` });
    }
  }
  return (
    <div className={styles.account}>
      <div className={styles.who}>
        <span className={styles.role}>{formatEnum(role)}</span>
        <span className={styles.key} title={keyId ?? undefined}>
          {keyId === null ? 'ADMIN_API_KEY' : `Key ${keyId}`}
        </span>
        <span className={styles.key}>Version {version}</span>
      </div>
      <div className={styles.accountActions}>
        <ThemeSwitch />
        <Button variant="ghost" size="small" icon={<LogOut size={14} aria-hidden="true" />} onClick={leave}>
          Sign out
        </Button>
      </div>
    </div>
  );
}
