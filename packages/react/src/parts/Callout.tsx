import type { ReactNode } from 'react';
import { useBillingContext } from '../BillingProvider.js';
import { useExplanation } from '../explanation.js';
import { Button } from './Button.js';
import { DangerIcon, InfoIcon, SuccessIcon, WarningIcon } from './icons.js';

const ICONS = { accent: InfoIcon, success: SuccessIcon, warning: WarningIcon, danger: DangerIcon };

/** Something to know about what stands below or beside it. */
export function Callout({
  tone = 'accent',
  title,
  actions,
  children,
}: {
  tone?: keyof typeof ICONS;
  title?: string | undefined;
  actions?: ReactNode;
  children?: ReactNode;
}) {
  const Icon = ICONS[tone];
  return (
    <div className="cb-callout" data-tone={tone} role={tone === 'danger' ? 'alert' : undefined}>
      <Icon />
      <div className="cb-callout-content">
        {title && <p className="cb-callout-title">{title}</p>}
        {children && <div className="cb-callout-text">{children}</div>}
        {actions && <div className="cb-callout-actions">{actions}</div>}
      </div>
    </div>
  );
}

/** What was tried and did not work. */
export function ErrorCallout({ error }: { error: unknown }) {
  const { title, message, advice } = useExplanation(error);
  return (
    <Callout tone="danger" title={title}>
      {message} {advice}
    </Callout>
  );
}

/** In place of what could not be read: what happened, what to do, and a button that tries again. */
export function ErrorState({ error, onRetry }: { error: unknown; onRetry(): unknown }) {
  const { texts } = useBillingContext();
  const { title, message, advice, requestId } = useExplanation(error);
  return (
    <div className="cb-state" role="alert">
      <WarningIcon size={24} />
      <p className="cb-state-title">{title}</p>
      <p className="cb-state-text">
        {message} {advice}
      </p>
      {requestId && <p className="cb-state-reference">{texts.request(requestId)}</p>}
      <Button onClick={() => onRetry()}>{texts.retry}</Button>
    </div>
  );
}
