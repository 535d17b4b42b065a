import { MAX_ENDPOINT_LENGTH } from '@continuum-billing/limits/core';
import { LRUCache } from 'lru-cache';
import { onlyDay, type UsageDays } from './usageDays.js';

/** The name under which endpoints beyond the daily maximum are counted. */
const OTHER_ENDPOINTS = '(other)';

const MAX_PER_DAY = 500;
/** Total size of a day's names: each charge rewrites the document that contains them. */
const MAX_BYTES_PER_DAY = 32_768;
/** Number of names and days in total. */
const MAX_REMEMBERED = 500_000;
const PRINTABLE = new RegExp(`^[^\\p{C}\\p{Zl}\\p{Zp}]{1,${MAX_ENDPOINT_LENGTH}}$`, 'u');

export const isEndpointName = (name: string): boolean => PRINTABLE.test(name) && name.trim() !== '';

/**
 * Endpoint names are input, and each is a field of the usage day: a service that puts ids into its names would fill the
 * document. Each instance therefore adds a bounded number of names to a day.
 */
export interface EndpointNames {
  /** @returns a function from a name to the name it is counted under: itself or `OTHER_ENDPOINTS` */
  admit(usageDayId: string, names: Iterable<string>): Promise<(name: string) => string>;
}

export function createEndpointNames({ usageDays }: { usageDays: UsageDays }): EndpointNames {
  // Sets are replaced, never changed: the cache asks for the size of a set only when it is new.
  const known = new LRUCache<string, ReadonlySet<string>>({
    maxSize: MAX_REMEMBERED,
    sizeCalculation: (names) => names.size + 1,
    async fetchMethod(usageDayId) {
      const [day] = await usageDays.read([onlyDay(usageDayId)], ['endpoints']);
      return new Set(Object.keys(day?.endpoints ?? {}).map(decodeEndpoint));
    },
    ignoreFetchAbort: true,
  });

  return {
    async admit(usageDayId, wanted) {
      const read = await known.forceFetch(usageDayId);
      // Another call may have added names to what was read.
      const before = known.get(usageDayId) ?? read;
      const unknown = [...wanted].filter((name) => !before.has(name));
      if (unknown.length === 0) return (name) => name;
      const names = new Set(before);
      let bytes = bytesOf(before);
      for (const name of unknown) {
        bytes += Buffer.byteLength(name);
        if (names.size < MAX_PER_DAY && bytes <= MAX_BYTES_PER_DAY) names.add(name);
      }
      if (names.size > before.size) known.set(usageDayId, names);
      return (name) => (names.has(name) ? name : OTHER_ENDPOINTS);
    },
  };
}

const bytesOf = (names: Iterable<string>): number => {
  let bytes = 0;
  for (const name of names) bytes += Buffer.byteLength(name);
  return bytes;
};

/**
 * Endpoint names are field names in MongoDB, where `.` and a leading `$` are special, and where integers sort before
 * all other names.
 */
export const encodeEndpoint = (name: string): string =>
  `_${name.replace(/[%.$\0]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`)}`;

export const decodeEndpoint = (stored: string): string =>
  stored
    .slice(1)
    .replace(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
