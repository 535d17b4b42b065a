import { parseKey } from '@continuum-billing/limits/core';
import { describe, expect, it } from 'vitest';
import { randomText } from '../../src/common/randomText.js';
import { generateKey } from '../../src/services/accounts/keySecret.js';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

describe('a generated key', () => {
  it.each(['live', 'test'] as const)('says that it is a %s key, who it is, and can be read back', (kind) => {
    const { key, keyId, secret } = generateKey(kind);
    expect(key).toMatch(/^ctm_(live|test)_[0-9A-Za-z]{16}_[0-9A-Za-z]{46}$/);
    expect(key.startsWith(`ctm_${kind}_${keyId}_${secret}`)).toBe(true);
    expect(parseKey(key)).toEqual({ keyId, secret });
  });

  it('is unlike any other', () => {
    const keys = Array.from({ length: 2_000 }, () => generateKey('test'));
    expect(new Set(keys.map(({ keyId }) => keyId)).size).toBe(keys.length);
    expect(new Set(keys.map(({ secret }) => secret)).size).toBe(keys.length);
  });

  it('has a secret of at least 200 bits', () => {
    expect(generateKey('live').secret.length * Math.log2(ALPHABET.length)).toBeGreaterThan(200);
  });
});

describe('random text', () => {
  it('draws every character of the alphabet about as often as any other', () => {
    const counts = new Map<string, number>();
    const text = randomText(62_000);
    for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
    expect([...counts.keys()].sort().join('')).toBe(ALPHABET);
    // 1,000 each are expected; five standard deviations are 157.
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(200);
  });
});

describe('the checksum', () => {
  it('rejects a key with any single character altered', () => {
    const { key } = generateKey('live');
    for (let at = 0; at < key.length; at++) {
      for (const char of `${ALPHABET}_- `) {
        if (char === key[at]) continue;
        expect(parseKey(key.slice(0, at) + char + key.slice(at + 1)), `${char} at ${at}`).toBeNull();
      }
    }
  });

  it('rejects a key with two neighbours swapped', () => {
    const { key } = generateKey('live');
    for (let at = 0; at + 1 < key.length; at++) {
      const swapped = key.slice(0, at) + key[at + 1] + key[at] + key.slice(at + 2);
      if (swapped !== key) expect(parseKey(swapped), `at ${at}`).toBeNull();
    }
  });

  it('covers the kind of key: a test key does not become a live one', () => {
    expect(parseKey(generateKey('test').key.replace('ctm_test_', 'ctm_live_'))).toBeNull();
  });
});

describe('what was never a key of ours', () => {
  const { key } = generateKey('live');
  it.each([
    ['nothing', ''],
    ['a key cut short', key.slice(0, -1)],
    ['a key without its checksum', key.slice(0, -6)],
    ['a key with something after it', `${key}0`],
    ['a key with a line end', `${key}\n`],
    ['a key with a space before', ` ${key}`],
    ['another kind', key.replace('ctm_live_', 'ctm_prod_')],
    ['another issuer', key.replace('ctm_', 'sk_')],
    ['letters of another alphabet', key.replace(/.{6}$/, 'ÄÖÜäöü')],
    ['a very long text', 'ctm_live_'.repeat(20_000)],
  ])('is rejected: %s', (_, text) => {
    expect(parseKey(text)).toBeNull();
  });
});
