import { type ComponentProps, type ReactNode, useId } from 'react';
import { cx } from './cx.js';
import styles from './Field.module.css';
import { VisuallyHidden } from './VisuallyHidden.js';

export interface FieldProps {
  label: string;
  /** For a field whose place says what it is, such as a search. The label is still read out. */
  hideLabel?: boolean | undefined;
  /** What is expected, before something is wrong. */
  hint?: ReactNode;
  /** What is wrong and how to put it right. */
  error?: ReactNode;
}

/** What surrounds each control. */
export function Field({
  id,
  label,
  hideLabel,
  hint,
  error,
  children,
}: FieldProps & { id: string; children: ReactNode }) {
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={styles.label}>
        {hideLabel ? <VisuallyHidden>{label}</VisuallyHidden> : label}
      </label>
      {children}
      {hint && (
        <span id={`${id}-hint`} className={styles.hint}>
          {hint}
        </span>
      )}
      {error && (
        <span id={`${id}-error`} className={styles.error} role="alert">
          {error}
        </span>
      )}
    </div>
  );
}

/** The attributes that tie a control to its hint and its error. */
export function described(id: string, { hint, error }: FieldProps) {
  const ids = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ');
  return { id, 'aria-describedby': ids || undefined, 'aria-invalid': error ? true : undefined };
}

type Native<Tag extends 'input' | 'textarea'> = Omit<
  ComponentProps<Tag>,
  'value' | 'onChange' | 'id' | 'className'
>;

export interface TextFieldProps extends FieldProps, Native<'input'> {
  value: string;
  onChange(value: string): void;
}

export function TextField({ label, hideLabel, hint, error, value, onChange, ...rest }: TextFieldProps) {
  const id = useId();
  return (
    <Field id={id} label={label} hideLabel={hideLabel} hint={hint} error={error}>
      <input
        type="text"
        {...rest}
        {...described(id, { label, hint, error })}
        className={styles.control}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </Field>
  );
}

export interface NumberFieldProps extends FieldProps, Omit<Native<'input'>, 'type'> {
  /** As typed: the page checks it with parseWhole or parseMoney, so that nonsense gets a message instead of vanishing. */
  value: string;
  onChange(value: string): void;
  /** On the right of the field: "calls", "days", "USD". */
  unit?: string | undefined;
}

export function NumberField({
  label,
  hideLabel,
  hint,
  error,
  value,
  onChange,
  unit,
  ...rest
}: NumberFieldProps) {
  const id = useId();
  return (
    <Field
      id={id}
      label={unit ? `${label} (${unit})` : label}
      hideLabel={hideLabel}
      hint={hint}
      error={error}
    >
      <input
        inputMode="decimal"
        autoComplete="off"
        {...rest}
        {...described(id, { label, hint, error })}
        className={cx(styles.control, styles.number)}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </Field>
  );
}

/** An instant, typed and shown in UTC. The value is what parseInstant reads; '' is none. */
export function InstantField({ label, ...rest }: TextFieldProps) {
  return <TextField {...rest} label={`${label} (UTC)`} type="datetime-local" />;
}

/** @returns an RFC 3339 text, null for an empty text, undefined for anything that is not an instant */
export function parseInstant(text: string): string | null | undefined {
  if (text === '') return null;
  const ms = Date.parse(`${text}Z`);
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}

/** The text of an InstantField. */
export function instantText(at: string | null): string {
  return at === null ? '' : new Date(at).toISOString().slice(0, 16);
}

/** Fields that belong together. */
export function FieldGroup({
  label,
  hint,
  columns,
  children,
}: {
  label: string;
  hint?: ReactNode;
  /** Beside each other where there is room. */
  columns?: boolean | undefined;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <fieldset className={styles.group} aria-describedby={hint ? id : undefined}>
      <legend>
        <span className={styles.label}>{label}</span>
        {hint && (
          <span id={id} className={styles.hint}>
            {' '}
            {hint}
          </span>
        )}
      </legend>
      <div className={columns ? styles.columns : styles.group}>{children}</div>
    </fieldset>
  );
}

export function Textarea({
  label,
  hideLabel,
  hint,
  error,
  value,
  onChange,
  ...rest
}: FieldProps & Native<'textarea'> & { value: string; onChange(value: string): void }) {
  const id = useId();
  return (
    <Field id={id} label={label} hideLabel={hideLabel} hint={hint} error={error}>
      <textarea
        rows={3}
        {...rest}
        {...described(id, { label, hint, error })}
        className={cx(styles.control, styles.area)}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </Field>
  );
}
