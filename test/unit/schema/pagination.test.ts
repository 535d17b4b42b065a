import 'reflect-metadata';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { connect, decodeCursor } from '../../../src/schema/pagination.js';

const keys = fc.stringMatching(/^[\w:./-]{1,150}$/);
const pageOf = (docs: string[], after: string | null = null) =>
  connect(
    docs,
    false,
    after,
    (doc) => doc,
    (doc) => doc,
  );

describe('a cursor', () => {
  it('decodes to the key that it was made of', () => {
    fc.assert(
      fc.property(keys, (key) => {
        expect(decodeCursor(pageOf([key]).pageInfo.endCursor)).toBe(key);
      }),
    );
  });

  it('that this server did not issue is rejected as bad input, whatever it says', () => {
    const rejected = expect.objectContaining({
      message: expect.stringContaining('is not a cursor of this list'),
    });
    for (const text of ['?', 'YQ==', Buffer.from('{"$gt":""}').toString('base64url')])
      expect(() => decodeCursor(text)).toThrow(rejected);
  });

  it('is optional', () => {
    expect([decodeCursor(null), decodeCursor(undefined), decodeCursor('')]).toEqual([null, null, null]);
  });
});

describe('a page', () => {
  it('begins and ends at its first and last items, in order', () => {
    const { edges, pageInfo } = pageOf(['a', 'b', 'c'], 'x');
    expect(edges.map(({ node }) => node)).toEqual(['a', 'b', 'c']);
    expect(pageInfo).toMatchObject({ startCursor: edges[0]?.cursor, endCursor: edges[2]?.cursor });
    expect(pageInfo.hasPreviousPage).toBe(true);
  });

  it('without items has no cursors', () => {
    expect(pageOf([]).pageInfo).toMatchObject({ startCursor: null, endCursor: null, hasPreviousPage: false });
  });
});
