import { Combobox as BaseCombobox } from '@base-ui/react/combobox';
import { Check, ChevronDown, X } from 'lucide-react';
import { type ReactNode, useId } from 'react';
import { cx } from './cx.js';
import styles from './Field.module.css';
import popup from './Popup.module.css';

export interface ComboboxOption {
  value: string;
  label: string;
  /** In smaller text below the label. */
  note?: ReactNode;
}

/** A choice among many: typing narrows it. For few options there is Select. */
export function Combobox({
  label,
  hint,
  placeholder,
  value,
  onChange,
  options,
  onSearch,
  loading,
}: {
  label: string;
  hint?: ReactNode;
  placeholder?: string | undefined;
  value: ComboboxOption | null;
  onChange(value: ComboboxOption | null): void;
  options: readonly ComboboxOption[];
  /** The server searches: called with what is typed. Without it the options are filtered here. */
  onSearch?: ((text: string) => void) | undefined;
  loading?: boolean | undefined;
}) {
  const id = useId();
  return (
    <BaseCombobox.Root
      items={options}
      value={value}
      onValueChange={(next: ComboboxOption | null) => onChange(next)}
      isItemEqualToValue={(one: ComboboxOption, other: ComboboxOption) => one.value === other.value}
      itemToStringLabel={(option: ComboboxOption) => option.label}
      filter={onSearch ? null : matches}
      onInputValueChange={(text, { reason }) => {
        if (reason === 'input-change' || reason === 'input-clear') onSearch?.(text.trim());
      }}
      autoHighlight
    >
      <div className={styles.field}>
        <label htmlFor={id} className={styles.label}>
          {label}
        </label>
        <div className={styles.combobox}>
          <BaseCombobox.Input
            id={id}
            className={cx(styles.control, styles.comboboxInput)}
            placeholder={placeholder}
            aria-describedby={hint ? `${id}-hint` : undefined}
            autoComplete="off"
            spellCheck={false}
          />
          {value ? (
            <BaseCombobox.Clear className={styles.comboboxButton} aria-label={`Clear ${label.toLowerCase()}`}>
              <X size={15} aria-hidden="true" />
            </BaseCombobox.Clear>
          ) : (
            <BaseCombobox.Trigger
              tabIndex={-1}
              className={styles.comboboxButton}
              aria-label={`Show ${label.toLowerCase()}`}
            >
              <ChevronDown size={16} aria-hidden="true" />
            </BaseCombobox.Trigger>
          )}
        </div>
        {hint && (
          <span id={`${id}-hint`} className={styles.hint}>
            {hint}
          </span>
        )}
      </div>
      <BaseCombobox.Portal>
        <BaseCombobox.Positioner className={popup.positioner} sideOffset={4}>
          <BaseCombobox.Popup className={popup.popup} aria-label={label}>
            <BaseCombobox.Empty>
              <div className={popup.nothing}>{loading ? 'Searching…' : 'Nothing matches'}</div>
            </BaseCombobox.Empty>
            <BaseCombobox.List>
              {(option: ComboboxOption) => (
                <BaseCombobox.Item key={option.value} value={option} className={popup.item}>
                  <span className={popup.text}>
                    {option.label}
                    {option.note && <span className={popup.note}>{option.note}</span>}
                  </span>
                  <span className={popup.check}>
                    <BaseCombobox.ItemIndicator>
                      <Check size={14} aria-hidden="true" />
                    </BaseCombobox.ItemIndicator>
                  </span>
                </BaseCombobox.Item>
              )}
            </BaseCombobox.List>
          </BaseCombobox.Popup>
        </BaseCombobox.Positioner>
      </BaseCombobox.Portal>
    </BaseCombobox.Root>
  );
}

/** Every word that is typed is in the label or the note. */
function matches({ label, note }: ComboboxOption, query: string): boolean {
  const text = `${label} ${typeof note === 'string' ? note : ''}`.toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
