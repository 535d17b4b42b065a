import { crc32 } from 'node:zlib';

/** `ctm_<live|test>_<keyId>_<secret><checksum>` */
export interface ParsedKey {
  keyId: string;
  secret: string;
}

export const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const KEY_ID_AT = 'ctm_test_'.length;
export const KEY_ID_LENGTH = 16;
export const SECRET_LENGTH = 40;
const CHECKSUM_LENGTH = 6;
const PATTERN = new RegExp(
  `^(ctm_(?:live|test)_([0-9A-Za-z]{${KEY_ID_LENGTH}})_([0-9A-Za-z]{${SECRET_LENGTH}}))([0-9A-Za-z]{${CHECKSUM_LENGTH}})$`,
);

/** The text of a key, from its parts; `parseKey` reads it back. */
export function formatKey(kind: 'live' | 'test', { keyId, secret }: ParsedKey): string {
  const body = `ctm_${kind}_${keyId}_${secret}`;
  return body + checksum(body);
}

/** The id within a key. For text that is not a key it returns any text. */
export const keyIdOf = (key: string): string => key.slice(KEY_ID_AT, KEY_ID_AT + KEY_ID_LENGTH);

/** @returns null for text that cannot be a key: a typing error costs no database read */
export function parseKey(key: string): ParsedKey | null {
  const match = PATTERN.exec(key);
  if (!match) return null;
  const [, body, keyId, secret, sum] = match as unknown as [string, string, string, string, string];
  return checksum(body) === sum ? { keyId, secret } : null;
}

/** Longer tokens are rejected unread. */
export const MAX_TOKEN_LENGTH = 8_192;
const JWT_PATTERN = /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/;

/** Whether the text has the shape of a JWT: three parts, the first of which is an encoded JSON object. */
export const isJwt = (text: string): boolean => text.startsWith('eyJ') && JWT_PATTERN.test(text);

export const TENANT_TOKEN_PREFIX = 'ctt_';

/** Whether the text has the shape of a tenant's short-lived token. */
export const isTenantToken = (text: string): boolean => text.startsWith(TENANT_TOKEN_PREFIX);

/** Whether the text may identify a caller: it is a whole key, or has the shape of a token. */
export const isCredential = (text: string): boolean =>
  text.length <= MAX_TOKEN_LENGTH && (parseKey(text) !== null || isTenantToken(text) || isJwt(text));

function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    text = BASE62[rest % BASE62.length] + text;
    rest = Math.floor(rest / BASE62.length);
  }
  return text;
}
