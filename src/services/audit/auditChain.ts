import { createHash } from 'node:crypto';
import type { AuditEntryDoc } from '../../models/auditLog.js';

/** Each tenant has a chain under its own id; the operators have this one. */
const OPERATORS = 'operators';

/** What the first entry of a chain continues. */
export const FIRST_HASH = '0'.repeat(64);

/** `oldestAt` of a chain whose entries were all deleted: the latest time there is. */
export const NO_ENTRIES = new Date(8.64e15);

/** Enough for an entry each millisecond for thirty years. */
const SEQUENCE_DIGITS = 12;

/** @param tenantId null: the operators' chain */
export const chainOf = (tenantId: string | null): string => tenantId ?? OPERATORS;

export const entryIdOf = (chain: string, sequence: number): string =>
  `${chain}:${String(sequence).padStart(SEQUENCE_DIGITS, '0')}`;

export const sequenceOf = (entryId: string): number => Number(entryId.slice(-SEQUENCE_DIGITS));

/** Selects what belongs to a chain by id: `;` is the character after `:`. */
export const idsOfChain = (chain: string) => ({ $gte: `${chain}:`, $lt: `${chain};` });

/**
 * The hash of an entry: SHA-256 of a JSON array of strings and nulls, which has only one form.
 * @param previous the hash of the entry before it
 */
export function hashOf(entry: Omit<AuditEntryDoc, 'hash'>, previous: string): string {
  const { _id, chain, at, actor, action, before, after, requestId } = entry;
  const covered = [previous, _id, chain, at.toISOString(), actor, action, before, after, requestId];
  return createHash('sha256').update(JSON.stringify(covered)).digest('hex');
}
