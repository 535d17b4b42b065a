import { describe, expect, it } from 'vitest';
import { parseCsv } from '../../../src/cli/customerImport/csv.js';

const fieldsOf = (text: string) => parseCsv(text).map(({ fields }) => fields);

describe('comma-separated values', () => {
  it.each([
    [
      'a,b\nc,d\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      'a,b\r\nc,d',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    ['\ufeffa,b\n', [['a', 'b']]],
    [
      '"a,1","b ""c"""\n"line\nbreak",\n',
      [
        ['a,1', 'b "c"'],
        ['line\nbreak', ''],
      ],
    ],
    [
      'a,,\n\n,,\nb,c,d\n',
      [
        ['a', '', ''],
        ['b', 'c', 'd'],
      ],
    ],
    ['', []],
  ])('%j are read', (text, expected) => {
    expect(fieldsOf(text)).toEqual(expected);
  });

  it('have the number of the line in which a record begins', () => {
    expect(parseCsv('a\n"b\nc"\r\n\nd').map(({ line }) => line)).toEqual([1, 2, 5]);
  });

  it.each(['a\nb "c"\n', 'a\n"b" c\n', 'a\n"b\n'])('%j are rejected with the line', (text) => {
    expect(() => parseCsv(text)).toThrow('line 2: a quotation mark is out of place');
  });
});
