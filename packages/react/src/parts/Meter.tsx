import { type ReactNode, useId } from 'react';
import { useBillingContext } from '../BillingProvider.js';

const NEAR = 0.8;

/** How much of a limit is used. */
export function Meter({
  label,
  used,
  limit,
  format,
  isUnlimited = false,
  resetsAt,
  note,
}: {
  label: string;
  used: number;
  /** null: there is none, and so no bar. */
  limit: number | null;
  /** Adds the unit. Default: none. */
  format?: ((value: number) => string) | undefined;
  /** Whether a limit that is null is one that the tier lifts, and not one that it never has. */
  isUnlimited?: boolean | undefined;
  resetsAt?: string | null | undefined;
  note?: ReactNode;
}) {
  const { texts, formats } = useBillingContext();
  const id = useId();
  const show = format ?? formats.number;
  const ratio = limit === null ? 0 : limit === 0 ? 1 : used / limit;
  const without = isUnlimited ? texts.unlimited : texts.noLimit;
  const [of, after] =
    limit === null ? ['', `, ${without}`] : [` ${texts.usedOf(show(limit))}`, ` · ${formats.percent(ratio)}`];
  return (
    // biome-ignore lint/a11y/useSemanticElements: browsers draw a <meter> each in their own way
    <div
      className="cb-meter"
      role="meter"
      aria-labelledby={id}
      aria-valuemin={0}
      aria-valuemax={Math.max(limit ?? used, 1)}
      aria-valuenow={Math.min(used, limit ?? used)}
      aria-valuetext={`${show(used)}${of}${after.replace(' ·', ',')}`}
    >
      <span id={id} className="cb-meter-label">
        {label}
      </span>
      <span className="cb-meter-value">
        {show(used)}
        <span className="cb-meter-limit">
          {of}
          {after}
        </span>
      </span>
      {limit !== null && (
        <span
          className="cb-meter-track"
          data-level={ratio >= 1 ? 'full' : ratio >= NEAR ? 'near' : undefined}
        >
          <span className="cb-meter-bar" style={{ width: `${Math.min(100, ratio * 100)}%` }} />
        </span>
      )}
      {(resetsAt || note) && (
        <span className="cb-meter-note">
          {resetsAt && (
            <time dateTime={resetsAt}>
              {texts.resets(formats.relative(resetsAt), formats.instant(resetsAt))}
            </time>
          )}
          {resetsAt && note && ' · '}
          {note}
        </span>
      )}
    </div>
  );
}
