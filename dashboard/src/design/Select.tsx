import { ChevronDown } from 'lucide-react';
import { useId } from 'react';
import { cx } from './cx.js';
import { described, Field, type FieldProps } from './Field.js';
import styles from './Field.module.css';

export interface SelectOption {
  value: string;
  label: string;
}

/** One of a few. It is the browser's own, which telephones and screen readers know best. */
export function Select({
  label,
  hideLabel,
  hint,
  error,
  value,
  onChange,
  options,
  disabled,
}: FieldProps & {
  value: string;
  onChange(value: string): void;
  options: readonly SelectOption[];
  disabled?: boolean | undefined;
}) {
  const id = useId();
  return (
    <Field id={id} label={label} hideLabel={hideLabel} hint={hint} error={error}>
      <span className={styles.select}>
        <select
          {...described(id, { label, hint, error })}
          className={cx(styles.control)}
          value={value}
          disabled={disabled}
          onChange={(event) => onChange(event.target.value)}
        >
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
        <ChevronDown size={16} aria-hidden="true" />
      </span>
    </Field>
  );
}
