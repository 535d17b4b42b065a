import {
  Boxes,
  ChartNoAxesColumn,
  FlaskConical,
  KeyRound,
  LayoutDashboard,
  type LucideIcon,
  Scale,
  ScrollText,
  Users,
  Webhook,
} from 'lucide-react';

export interface NavigationItem {
  to: string;
  label: string;
  icon: LucideIcon;
  /** Only while the server talks to its own Stripe. */
  mockOnly?: boolean;
}

export const NAVIGATION: readonly NavigationItem[] = [
  { to: '/', label: 'Overview', icon: LayoutDashboard },
  { to: '/tenants', label: 'Tenants', icon: Users },
  { to: '/webhooks', label: 'Webhooks', icon: Webhook },
  { to: '/usage-reports', label: 'Usage reports', icon: ChartNoAxesColumn },
  { to: '/reconcile', label: 'Reconcile', icon: Scale },
  { to: '/catalogue', label: 'Catalogue', icon: Boxes },
  { to: '/operators', label: 'Operators', icon: KeyRound },
  { to: '/audit-log', label: 'Audit log', icon: ScrollText },
  { to: '/mock', label: 'Mock mode', icon: FlaskConical, mockOnly: true },
];
