import { randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** `ctm_<live|test>_<keyId>_<secret><checksum>` */
export interface ParsedKey {
  keyId: string;
  secret: string;
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const KEY_ID_AT = 'ctm_test_'.length;
const KEY_ID_LENGTH = 16;
const SECRET_LENGTH = 40;
const CHECKSUM_LENGTH = 6;
const PATTERN = new RegExp(
  `^(ctm_(?:live|test)_([0-9A-Za-z]{${KEY_ID_LENGTH}})_([0-9A-Za-z]{${SECRET_LENGTH}}))([0-9A-Za-z]{${CHECKSUM_LENGTH}})$`,
);

/** @returns `length` characters, each drawn uniformly: about 5.95 bits a character */
export function randomText(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

export function generateKey(kind: 'live' | 'test'): ParsedKey & { key: string } {
  const keyId = randomText(KEY_ID_LENGTH);
  const secret = randomText(SECRET_LENGTH);
  const body = `ctm_${kind}_${keyId}_${secret}`;
  return { keyId, secret, key: body + checksum(body) };
}

/** @returns where a key has its id; of what is no key, any text */
export const keyIdOf = (key: string): string => key.slice(KEY_ID_AT, KEY_ID_AT + KEY_ID_LENGTH);

/** @returns null for what cannot be a key of ours: a typing error costs no database read */
export function parseKey(key: string): ParsedKey | null {
  const match = PATTERN.exec(key);
  if (!match) return null;
  const [, body, keyId, secret, sum] = match as unknown as [string, string, string, string, string];
  return checksum(body) === sum ? { keyId, secret } : null;
}

function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    text = ALPHABET[rest % ALPHABET.length] + text;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return text;
}
