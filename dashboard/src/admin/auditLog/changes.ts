/** A field of a change, as it was and as it is. undefined: it was not there, or is not any more. */
export interface FieldChange {
  field: string;
  before: string | undefined;
  after: string | undefined;
}

type Fields = Readonly<Record<string, unknown>> | null;

/** The fields of the two states of an entry. Nothing of a value is ever markup. */
export function changesOf(before: Fields, after: Fields): FieldChange[] {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  return names.map((field) => ({ field, before: textIn(before, field), after: textIn(after, field) }));
}

function textIn(fields: Fields, name: string): string | undefined {
  if (fields === null || !(name in fields)) return undefined;
  return textOf(fields[name]);
}

function textOf(value: unknown): string {
  if (value === null) return 'none';
  if (typeof value === 'string') return value;
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object'))
    return value.join(', ') || 'none';
  return JSON.stringify(value);
}

const MAX_FIELDS = 3;
const MAX_CHARS = 40;

const short = (text: string): string => (text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text);

/** The change in one line. */
export function summaryOf(before: Fields, after: Fields): string {
  const changes = changesOf(before, after).filter((change) => change.before !== change.after);
  const shown = changes.slice(0, MAX_FIELDS).map(({ field, before: from, after: to }) => {
    if (before === null || from === undefined) return `${field}: ${short(to ?? '')}`;
    if (after === null || to === undefined) return `${field}: ${short(from)}`;
    return `${field}: ${short(from)} → ${short(to)}`;
  });
  const more = changes.length - shown.length;
  return [...shown, ...(more > 0 ? [`${more} more`] : [])].join('; ');
}
