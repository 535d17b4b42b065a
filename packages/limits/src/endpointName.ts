/** In characters. */
export const MAX_ENDPOINT_LENGTH = 100;

/**
 * Endpoint names are field names in MongoDB, where `.` and a leading `$` have a meaning, and an integer would move
 * to the front.
 */
export const encodeEndpoint = (name: string): string =>
  `_${name.replace(/[%.$\0]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`)}`;

export const decodeEndpoint = (stored: string): string =>
  stored
    .slice(1)
    .replace(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
