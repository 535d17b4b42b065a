/**
 * The size of a value as JSON in UTF-8 bytes, without writing it.
 * @param enough measuring stops above this size; the result is then only known to be greater
 */
export function sizeOfJson(value: unknown, enough: number): number {
  switch (typeof value) {
    case 'string':
      return sizeOfText(value, enough);
    case 'number':
      return Number.isFinite(value) ? String(value).length : 4;
    case 'boolean':
      return value ? 4 : 5;
    case 'bigint':
      return String(value).length;
    case 'object':
      break;
    default:
      return 0;
  }
  if (value === null) return 4;
  if (value instanceof Date) return DATE_BYTES;
  let size = 2;
  if (Array.isArray(value)) {
    for (const item of value) {
      size += sizeOfJson(item, enough - size) + 1;
      if (size > enough) return size;
    }
    return size;
  }
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    size += sizeOfText(key, enough) + sizeOfJson(item, enough - size) + 2;
    if (size > enough) return size;
  }
  return size;
}

const DATE_BYTES = 26;

function sizeOfText(text: string, enough: number): number {
  // Short texts must be measured exactly too, because the caller adds the sizes up.
  let size = 2;
  const { length } = text;
  for (let i = 0; i < length && size <= enough; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) size += unit >= 0x20 ? (unit === 0x22 || unit === 0x5c ? 2 : 1) : sizeOfControl(unit);
    else if (unit < 0x800) size += 2;
    else if (unit < 0xd800 || unit > 0xdfff) size += 3;
    else if (unit < 0xdc00 && isLowSurrogate(text.charCodeAt(i + 1))) {
      size += 4;
      i++;
    } else size += ESCAPE_BYTES;
  }
  return size;
}

/** The length of `\u0000`, a form that is also used for half of a surrogate pair. */
const ESCAPE_BYTES = 6;

/** Backspace, tab, line feed, form feed and carriage return have a short form. */
const sizeOfControl = (unit: number): number => (unit >= 8 && unit <= 13 && unit !== 11 ? 2 : ESCAPE_BYTES);

const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;
