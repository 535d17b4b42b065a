import type { ComponentProps, ReactNode } from 'react';
import { cx } from './cx.js';

export type Variant = 'primary' | 'secondary' | 'ghost' | 'danger';

export interface ButtonProps
  extends Pick<ComponentProps<'button'>, 'type' | 'form' | 'disabled' | 'onClick'> {
  variant?: Variant | undefined;
  /** Shows that it works, and cannot be pressed meanwhile. It keeps the focus. */
  pending?: boolean | undefined;
  children: ReactNode;
}

export function Button({ variant = 'secondary', pending = false, type = 'button', ...props }: ButtonProps) {
  const { children, onClick, ...others } = props;
  return (
    <button
      {...others}
      type={type}
      className={cx('cb-button', `cb-button-${variant}`)}
      aria-disabled={pending || undefined}
      onClick={(event) => {
        if (pending) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {pending && <span className="cb-spinner" aria-hidden="true" />}
      {children}
    </button>
  );
}

export function ButtonAnchor({
  href,
  variant = 'secondary',
  children,
}: {
  href: string;
  variant?: Variant | undefined;
  children: ReactNode;
}) {
  return (
    <a href={href} className={cx('cb-button', `cb-button-${variant}`)}>
      {children}
    </a>
  );
}
