import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hashSecret, secretMatches } from '../../src/services/accounts/keySecret.js';

const SECRET = 'a secret of forty characters, or about so';

describe('the hash of a secret', () => {
  it('is PBKDF2-HMAC-SHA256 with 100,000 rounds, 32 bytes long', async () => {
    const { salt, hash } = await hashSecret(SECRET);
    expect(salt).toHaveLength(16);
    expect(hash).toEqual(pbkdf2Sync(SECRET, salt, 100_000, 32, 'sha256'));
  });

  it('has a salt of its own each time', async () => {
    const [one, other] = await Promise.all([hashSecret(SECRET), hashSecret(SECRET)]);
    expect(one.salt.equals(other.salt)).toBe(false);
    expect(one.hash.equals(other.hash)).toBe(false);
  });

  it('fits its secret and no other', async () => {
    const stored = await hashSecret(SECRET);
    expect(await secretMatches(SECRET, stored)).toBe(true);
    for (const wrong of ['', `${SECRET} `, SECRET.slice(1), SECRET.toUpperCase()])
      expect(await secretMatches(wrong, stored)).toBe(false);
  });

  it('does not fit another salt, nor a hash that was cut or lengthened', async () => {
    const { salt, hash } = await hashSecret(SECRET);
    expect(await secretMatches(SECRET, { salt: randomBytes(16), hash })).toBe(false);
    expect(await secretMatches(SECRET, { salt, hash: hash.subarray(0, 16) })).toBe(false);
    expect(await secretMatches(SECRET, { salt, hash: Buffer.alloc(0) })).toBe(false);
    expect(await secretMatches(SECRET, { salt, hash: Buffer.concat([hash, Buffer.alloc(1)]) })).toBe(false);
  });

  it('is made off the main thread: timers run meanwhile', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await Promise.all(Array.from({ length: 4 }, () => hashSecret(SECRET)));
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3);
  });
});
