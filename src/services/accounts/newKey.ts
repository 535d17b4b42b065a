import { formatKey, KEY_ID_LENGTH, type ParsedKey, SECRET_LENGTH } from '@continuum-billing/limits/core';
import { randomText } from '../../common/randomText.js';

/** Draws a new API key at random. */
export function generateKey(kind: 'live' | 'test'): ParsedKey & { key: string } {
  const parts = { keyId: randomText(KEY_ID_LENGTH), secret: randomText(SECRET_LENGTH) };
  return { ...parts, key: formatKey(kind, parts) };
}
