import { pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const ROUNDS = 100_000;
const BYTES = 32;
// The asynchronous form runs on the thread pool, off the main thread.
const derive = promisify(pbkdf2);

export interface SecretHash {
  salt: Buffer;
  hash: Buffer;
}

/** PBKDF2-HMAC-SHA256 with 100,000 rounds and a salt of its own, as the report asks. */
export async function hashSecret(secret: string): Promise<SecretHash> {
  const salt = randomBytes(16);
  return { salt, hash: await derive(secret, salt, ROUNDS, BYTES, 'sha256') };
}

/** Compares in constant time. */
export async function secretMatches(secret: string, { salt, hash }: SecretHash): Promise<boolean> {
  const derived = await derive(secret, salt, ROUNDS, BYTES, 'sha256');
  return derived.length === hash.length && timingSafeEqual(derived, hash);
}
