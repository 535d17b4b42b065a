import { badInput } from './errors.js';

export const encodeCursor = (key: string): string => Buffer.from(key).toString('base64url');

/** @throws BAD_USER_INPUT for a text that this server did not issue as a cursor */
export function decodeCursor(after: string | null | undefined): string | null {
  if (!after) return null;
  const key = Buffer.from(after, 'base64url').toString('utf8');
  if (encodeCursor(key) !== after || !/^[\w:./-]{1,150}$/.test(key))
    throw badInput('after', 'is not a cursor of this list: pass endCursor of the previous page');
  return key;
}
