import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { PersonalValue } from '../../models/auditLog.js';

/** What an entry says of a state. Dates become ISO texts. Never a secret, nor the hash of one. */
export type AuditedFields = Readonly<Record<string, unknown>>;

/** One state as its entry stores it. */
interface SealedFields {
  /** JSON text with digests in place of personal values. */
  text: string | null;
  values: PersonalValue[];
}

/** Shown in place of a personal value that was erased. */
const ERASED = '[erased]';

const MAX_TEXT_LENGTH = 1_000;
const MAX_BYTES = 16_384;
const SALT_BYTES = 16;

/**
 * Separates the personal values of a state from the rest. A state that is too large is represented by its size and hash.
 * @param personal names of top-level fields
 */
export function sealFields(
  fields: AuditedFields | null,
  side: PersonalValue['side'],
  personal: readonly string[],
): SealedFields {
  if (fields === null) return { text: null, values: [] };
  const values: PersonalValue[] = [];
  const sealed: Record<string, unknown> = { ...fields };
  for (const field of personal) {
    if (fields[field] == null) continue;
    const value = textOf(fields[field]);
    const salt = randomBytes(SALT_BYTES).toString('base64url');
    sealed[field] = { digest: digestOf(value, salt) };
    values.push({ side, field, salt, value });
  }
  const text = textOf(sealed);
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_BYTES) return { text, values };
  const sha256 = createHash('sha256').update(text).digest('hex');
  return { text: JSON.stringify({ tooLarge: true, bytes, sha256 }), values: [] };
}

/** The state of an entry for a reader: personal values that still exist, and `[erased]` in place of others. */
export function openFields(
  text: string | null,
  side: PersonalValue['side'],
  values: readonly PersonalValue[],
): Record<string, unknown> | null {
  if (text === null) return null;
  const fields = JSON.parse(text) as Record<string, unknown>;
  for (const [field, content] of Object.entries(fields)) {
    if (!isDigest(content)) continue;
    const kept = values.find((one) => one.side === side && one.field === field);
    fields[field] = kept ? JSON.parse(kept.value) : ERASED;
  }
  return fields;
}

/** Whether a personal value is the one that its entry has the digest of. */
export function matchesDigest(entry: { before: string | null; after: string | null }, value: PersonalValue) {
  const text = entry[value.side];
  const content = text && (JSON.parse(text) as Record<string, unknown>)[value.field];
  return isDigest(content) && content.digest === digestOf(value.value, value.salt);
}

/** The fields of two states that differ. Entries about large states are then readable. */
export function changedFields<T extends AuditedFields>(before: T, after: T): [Partial<T>, Partial<T>] {
  const names = Object.keys({ ...before, ...after }).filter(
    (name) => textOf(before[name] ?? null) !== textOf(after[name] ?? null),
  );
  const pick = (fields: T) => Object.fromEntries(names.map((name) => [name, fields[name] ?? null]));
  return [pick(before) as Partial<T>, pick(after) as Partial<T>];
}

const digestOf = (value: string, salt: string): string =>
  createHmac('sha256', salt).update(value).digest('hex');

const isDigest = (content: unknown): content is { digest: string } =>
  typeof content === 'object' &&
  content !== null &&
  typeof (content as { digest?: unknown }).digest === 'string';

/** Long texts are cut. */
const textOf = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return Number(item);
    return typeof item === 'string' && item.length > MAX_TEXT_LENGTH
      ? `${item.slice(0, MAX_TEXT_LENGTH)}…`
      : item;
  });
