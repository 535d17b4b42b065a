import { expect, it } from 'vitest';
import { shareOf } from '../../../bench/load/load.js';

const shares = (requests: number, connections: number) =>
  Array.from({ length: connections }, (_, i) => shareOf([...Array(requests).keys()], i, connections));

it('connections share the requests among them: each is made, none by two while there are enough', () => {
  expect(shares(5, 2)).toEqual([
    [0, 2, 4],
    [1, 3],
  ]);
});

it('with fewer requests than connections every connection has one, spread evenly', () => {
  expect(shares(2, 5)).toEqual([[0], [1], [0], [1], [0]]);
});
