import { createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { formatKey, KEY_ID_LENGTH, type ParsedKey, SECRET_LENGTH } from '@continuum-billing/limits/core';
import { randomText } from '../../common/randomText.js';

const ROUNDS = 100_000;
const BYTES = 32;
/** Short: it rejects all but one in four billion guesses, and reveals next to nothing about 40 random characters. */
const TAG_BYTES = 4;
// The asynchronous form runs on the thread pool, off the main thread.
const derive = promisify(pbkdf2);

export interface SecretHash {
  salt: Buffer;
  hash: Buffer;
}

/** The stored form of a secret. */
export interface StoredSecret extends SecretHash {
  /** Rejects wrong secrets without the cost of the hash. Only the hash accepts one. */
  tag: Buffer;
}

/** PBKDF2-HMAC-SHA256 with 100,000 rounds and a salt of its own, as the report asks. */
export async function hashSecret(secret: string): Promise<StoredSecret> {
  const salt = randomBytes(16);
  const hash = await derive(secret, salt, ROUNDS, BYTES, 'sha256');
  return { salt, hash, tag: tagOf(secret, salt) };
}

/** Compares in constant time. */
export async function secretMatches(secret: string, { salt, hash }: SecretHash): Promise<boolean> {
  const derived = await derive(secret, salt, ROUNDS, BYTES, 'sha256');
  return derived.length === hash.length && timingSafeEqual(derived, hash);
}

/** Keyed with the salt, so that a secret has a different tag in each record. */
function tagOf(secret: string, salt: Buffer): Buffer {
  return createHmac('sha256', salt).update(secret).digest().subarray(0, TAG_BYTES);
}

/** Takes microseconds. */
export function tagMatches(secret: string, { salt, tag }: Pick<StoredSecret, 'salt' | 'tag'>): boolean {
  return tag.length === TAG_BYTES && timingSafeEqual(tagOf(secret, salt), tag);
}

/** Draws a new API key at random. */
export function generateKey(kind: 'live' | 'test'): ParsedKey & { key: string } {
  const parts = { keyId: randomText(KEY_ID_LENGTH), secret: randomText(SECRET_LENGTH) };
  return { ...parts, key: formatKey(kind, parts) };
}
