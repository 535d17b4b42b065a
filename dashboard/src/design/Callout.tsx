import { CircleCheck, CircleX, Inbox, Info, type LucideIcon, RotateCw, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button } from './Button.js';
import styles from './Callout.module.css';
import { cx } from './cx.js';
import { useExplain } from './explanation.js';
import tones from './tones.module.css';

const ICONS: Record<'info' | 'success' | 'warning' | 'danger', LucideIcon> = {
  info: Info,
  success: CircleCheck,
  warning: TriangleAlert,
  danger: CircleX,
};

/** Something to know about what stands below or beside it. */
export function Callout({
  tone = 'info',
  title,
  actions,
  children,
}: {
  tone?: 'info' | 'success' | 'warning' | 'danger';
  title?: string | undefined;
  actions?: ReactNode;
  children?: ReactNode;
}) {
  const Icon = ICONS[tone];
  return (
    <div
      className={cx(styles.callout, tones[tone === 'info' ? 'accent' : tone])}
      role={tone === 'danger' ? 'alert' : undefined}
    >
      <Icon size={16} aria-hidden="true" />
      <div className={styles.content}>
        {title && <p className={styles.title}>{title}</p>}
        {children && <div className={styles.text}>{children}</div>}
        {actions && <div className={styles.actions}>{actions}</div>}
      </div>
    </div>
  );
}

/** Nothing is there, and that is no error: says why, and what makes something appear. */
export function EmptyState({
  title,
  children,
  action,
  icon: Icon = Inbox,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  icon?: LucideIcon;
}) {
  return (
    <div className={styles.state}>
      <Icon size={24} strokeWidth={1.5} aria-hidden="true" />
      <p className={styles.stateTitle}>{title}</p>
      {children && <div className={styles.stateText}>{children}</div>}
      {action && <div className={styles.stateActions}>{action}</div>}
    </div>
  );
}

/** What happened, what to do, and a button that tries again. */
export function ErrorState({ error, onRetry }: { error: unknown; onRetry?: (() => unknown) | undefined }) {
  const { title, message, advice, requestId } = useExplain()(error);
  return (
    <div className={styles.state} role="alert">
      <TriangleAlert size={24} strokeWidth={1.5} aria-hidden="true" />
      <p className={styles.stateTitle}>{title}</p>
      <p className={styles.stateText}>
        {message} {advice}
      </p>
      {requestId && (
        <p className={styles.reference}>
          Request <code>{requestId}</code>
        </p>
      )}
      {onRetry && (
        <div className={styles.stateActions}>
          <Button icon={<RotateCw size={15} aria-hidden="true" />} onClick={() => onRetry()}>
            Try again
          </Button>
        </div>
      )}
    </div>
  );
}
