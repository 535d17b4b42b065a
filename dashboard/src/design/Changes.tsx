import { useState } from 'react';
import { TextButton } from './Button.js';
import styles from './Changes.module.css';
import { formatInstant } from './format.js';

const SHOWN = 6;
/** The most that is compared: a change is never that large, and a page stays one. */
const MAX_VALUES = 200;

const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/;

type Json = Readonly<Record<string, unknown>>;

/** What changed between two states: each value by its path, before and after. Texts are never markup. */
export function Changes({ before, after }: { before: Json | null; after: Json | null }) {
  const [all, setAll] = useState(false);
  const changes = changesBetween(before, after);
  if (changes.length === 0) return <>—</>;
  const shown = all ? changes : changes.slice(0, SHOWN);
  return (
    <ul className={styles.changes}>
      {shown.map(({ path, from, to }) => (
        <li key={path}>
          <span className={styles.path}>{path}</span>{' '}
          {from !== undefined && (
            <del className={styles.before}>
              <span className="visuallyHidden">was </span>
              {from}
            </del>
          )}{' '}
          {to !== undefined && (
            <ins className={styles.after}>
              <span className="visuallyHidden">is </span>
              {to}
            </ins>
          )}
        </li>
      ))}
      {changes.length > SHOWN && (
        <li>
          <TextButton onClick={() => setAll(!all)}>
            {all ? 'Show fewer' : `Show ${changes.length - SHOWN} more`}
          </TextButton>
        </li>
      )}
    </ul>
  );
}

interface Change {
  path: string;
  from: string | undefined;
  to: string | undefined;
}

function changesBetween(before: Json | null, after: Json | null): Change[] {
  const from = valuesOf(before);
  const to = valuesOf(after);
  return [...new Set([...from.keys(), ...to.keys()])]
    .filter((path) => from.get(path) !== to.get(path))
    .map((path) => ({ path, from: from.get(path), to: to.get(path) }));
}

/** Each value by its path: `limits.apiCallsPerDay`. Lists are one value. */
function valuesOf(json: Json | null): Map<string, string> {
  const values = new Map<string, string>();
  const visit = (value: unknown, path: string) => {
    if (values.size >= MAX_VALUES) return;
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      for (const [name, part] of Object.entries(value)) visit(part, path ? `${path}.${name}` : name);
    } else if (path) {
      values.set(path, textOf(value));
    }
  };
  visit(json, '');
  return values;
}

function textOf(value: unknown): string {
  if (value === null) return 'none';
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object'))
    return value.length === 0 ? 'none' : value.join(', ');
  if (typeof value !== 'string') return JSON.stringify(value);
  return INSTANT.test(value) ? formatInstant(value, { seconds: true }) : value;
}
