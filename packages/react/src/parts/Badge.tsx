import type { ReactNode } from 'react';

export type Tone = 'neutral' | 'accent' | 'success' | 'warning' | 'danger';

/** @param props.dot before the word, for a state */
export function Badge({
  tone = 'neutral',
  dot = false,
  children,
}: {
  tone?: Tone;
  dot?: boolean;
  children: ReactNode;
}) {
  return (
    <span className="cb-badge" data-tone={tone}>
      {dot && <span className="cb-badge-dot" aria-hidden="true" />}
      {children}
    </span>
  );
}
