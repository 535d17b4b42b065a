import { Monitor, Moon, Sun } from 'lucide-react';
import styles from './ThemeSwitch.module.css';
import { setTheme, type Theme, useTheme } from './theme.js';

const THEMES: readonly { value: Theme; label: string; icon: typeof Sun }[] = [
  { value: 'system', label: 'As the system', icon: Monitor },
  { value: 'light', label: 'Light', icon: Sun },
  { value: 'dark', label: 'Dark', icon: Moon },
];

/** Light, dark, or as the system is set. The browser remembers it. */
export function ThemeSwitch() {
  const theme = useTheme();
  return (
    <fieldset className={styles.switch}>
      <legend className="visuallyHidden">Theme</legend>
      {THEMES.map(({ value, label, icon: Icon }) => (
        <label key={value} className={styles.choice} title={label}>
          <input
            type="radio"
            name="theme"
            className="visuallyHidden"
            checked={theme === value}
            onChange={() => setTheme(value)}
          />
          <Icon size={14} aria-hidden="true" />
          <span className="visuallyHidden">{label}</span>
        </label>
      ))}
    </fieldset>
  );
}
