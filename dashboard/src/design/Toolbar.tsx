import { type ReactNode, useEffect, useRef, useState } from 'react';
import { Button } from './Button.js';
import { TextField } from './Field.js';
import styles from './PageHeader.module.css';
import { Select, type SelectOption } from './Select.js';
import type { Filters } from './useFilters.js';

const TYPING_MS = 300;

/** A search that follows what is typed, a moment later. */
function SearchField({
  label,
  placeholder,
  value,
  onChange,
}: {
  label: string;
  placeholder?: string | undefined;
  value: string;
  onChange(value: string): void;
}) {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  // Somebody else changed it: the browser's back button, or "Clear".
  useEffect(() => {
    if (value !== sent.current) {
      sent.current = value;
      setText(value);
    }
  }, [value]);
  useEffect(() => {
    if (text === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text.trim();
      onChange(text.trim());
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, onChange]);
  return (
    <div className={styles.search}>
      <TextField
        label={label}
        hideLabel
        type="search"
        placeholder={placeholder ?? label}
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={setText}
      />
    </div>
  );
}

export interface FilterField<Name extends string> {
  name: Name;
  label: string;
  /** What the choice of nothing says: "All tiers". Without options it is a text. */
  all?: string;
  options?: readonly SelectOption[];
  placeholder?: string;
  /** A day, `YYYY-MM-DD`. Its label is shown, because an empty day says nothing. */
  isDay?: boolean;
}

/** The filters above a list, in the URL. */
export function FilterBar<Name extends string>({
  filters,
  fields,
  children,
}: {
  filters: Filters<Name>;
  fields: readonly FilterField<Name>[];
  /** On the right. */
  children?: ReactNode;
}) {
  return (
    <search className={styles.toolbar}>
      {fields.map(({ name, label, all, options, placeholder, isDay }) =>
        isDay ? (
          <TextField
            key={name}
            label={label}
            type="date"
            value={filters.values[name]}
            onChange={(value) => filters.set(name, value)}
          />
        ) : options ? (
          <Select
            key={name}
            label={label}
            hideLabel
            value={filters.values[name]}
            onChange={(value) => filters.set(name, value)}
            options={[{ value: '', label: all ?? `${label}: all` }, ...options]}
          />
        ) : (
          <SearchField
            key={name}
            label={label}
            placeholder={placeholder}
            value={filters.values[name]}
            onChange={(value) => filters.set(name, value)}
          />
        ),
      )}
      {filters.active && (
        <Button variant="ghost" onClick={filters.clear}>
          Clear filters
        </Button>
      )}
      {children && <div className={styles.end}>{children}</div>}
    </search>
  );
}
