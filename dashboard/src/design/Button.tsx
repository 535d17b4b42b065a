import type { ComponentProps, ReactNode } from 'react';
import { Link as RouterLink } from 'react-router';
import styles from './Button.module.css';
import { cx } from './cx.js';
import { isWebAddress } from './Link.js';

export interface ButtonLook {
  /** One primary button a view. */
  variant?: 'primary' | 'secondary' | 'ghost' | 'danger' | undefined;
  size?: 'small' | 'medium' | undefined;
  /** An icon of lucide-react, 16 px. */
  icon?: ReactNode;
}

export type ButtonProps = ComponentProps<'button'> &
  ButtonLook & {
    /** While the action runs: the button keeps its place and the focus, and does nothing. */
    pending?: boolean | undefined;
  };

function look({ variant = 'secondary', size }: ButtonLook, className: string | undefined): string {
  return cx(styles.button, styles[variant], size === 'small' && styles.small, className);
}

export function Button({
  variant,
  size,
  icon,
  pending,
  className,
  children,
  onClick,
  type = 'button',
  ...rest
}: ButtonProps) {
  return (
    <button
      {...rest}
      type={type}
      className={look({ variant, size }, className)}
      aria-disabled={pending || rest['aria-disabled']}
      aria-busy={pending || undefined}
      onClick={(event) => {
        // Also keeps a form from being sent twice.
        if (pending) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {pending ? <span className={styles.spinner} aria-hidden="true" /> : icon}
      {children}
    </button>
  );
}

export interface IconButtonProps extends Omit<ButtonProps, 'children' | 'icon'> {
  /** What it does: its only name. */
  label: string;
  icon: ReactNode;
}

export function IconButton({ label, icon, variant = 'ghost', className, ...rest }: IconButtonProps) {
  return (
    <Button
      {...rest}
      variant={variant}
      icon={icon}
      aria-label={label}
      title={label}
      className={cx(styles.icon, className)}
    />
  );
}

/** A link that looks like a button: for going somewhere, never for changing something. */
export function ButtonLink({
  variant,
  size,
  icon,
  className,
  children,
  to,
  ...rest
}: ButtonLook & { to: string; className?: string; children: ReactNode }) {
  return (
    <RouterLink {...rest} to={to} className={look({ variant, size }, className)}>
      {icon}
      {children}
    </RouterLink>
  );
}

/** The same for another site or an e-mail address, in this tab: for leaving the page. */
export function ButtonAnchor({
  variant,
  size,
  icon,
  href,
  children,
}: ButtonLook & { href: string; children: ReactNode }) {
  if (!isWebAddress(href) && !href.startsWith('mailto:')) return null;
  return (
    <a href={href} rel="noreferrer" className={look({ variant, size }, undefined)}>
      {icon}
      {children}
    </a>
  );
}

/** A button that reads like a link, inside a sentence. */
export function TextButton({ className, type = 'button', ...rest }: ComponentProps<'button'>) {
  return <button {...rest} type={type} className={cx(styles.link, className)} />;
}
