import { expect, it } from 'vitest';
import { summaryText, tableText } from '../../../bench/report.js';

const speed = {
  title: 'Speed',
  unit: 'calls/s',
  rows: [
    { peer: 'one', throughput: 1234.5, ratio: 1, p50Ms: 2.25, p99Ms: 10 },
    { peer: 'another', throughput: 99, ratio: 0.08, p50Ms: 20, p99Ms: 100 },
  ],
};

it('a table is aligned, and has no column that nobody fills', () => {
  expect(tableText(speed).split('\n')).toEqual([
    '| peer    | calls/s | ratio | p50 ms | p99 ms |',
    '|---------|--------:|------:|-------:|-------:|',
    '| one     |   1,235 |  1.00 |    2.3 |   10.0 |',
    '| another |      99 |  0.08 |   20.0 |  100.0 |',
  ]);
});

it('a table says what its rows are', () => {
  const rows = [{ peer: '1,000', cores: 0.784, instances: 2, syncsPerSecond: 53.6 }];
  expect(tableText({ title: 'Rates', of: 'calls/s', unit: '', rows }).split('\n')).toEqual([
    '| calls/s | server cores | instances | syncs/s |',
    '|---------|-------------:|----------:|--------:|',
    '| 1,000   |         0.78 |         2 |      54 |',
  ]);
});

it('the summary has a peer’s speed beside what it lets through and loses', () => {
  const exactness = { title: 'Exactness', unit: '', rows: [{ peer: 'another', overshoot: 1000, lost: 0 }] };
  const lines = summaryText(speed, exactness).split('\n');
  expect(lines.at(2)).toMatch(/\| overshoot \| lost calls \|$/);
  expect(lines.at(-2)).toMatch(/^\| one .*\| {11}\| {12}\|$/);
  expect(lines.at(-1)).toMatch(/^\| another .*\| {5}1,000 \| {10}0 \|$/);
});
