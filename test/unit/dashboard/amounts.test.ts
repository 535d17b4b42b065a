import { afterEach, describe, expect, it } from 'vitest';
import { amountText, parseMoney, parseWhole } from '../../../dashboard/src/design/amounts.js';
import { setLocale } from '../../../dashboard/src/design/format.js';

afterEach(() => setLocale('en-US'));

const centsOf = (text: string, currency = 'usd') => parseMoney(text, currency).cents;
const problemOf = (text: string, currency = 'usd') => parseMoney(text, currency).problem;

describe('an amount that a person types', () => {
  it.each([
    ['en-US', '25.50', 2_550],
    ['en-US', '1,234.5', 123_450],
    ['en-US', ' 1 234.50 ', 123_450],
    ['en-US', '49.', 4_900],
    ['en-US', '0', 0],
    ['en-IN', '1,23,456.50', 12_345_650],
    ['de-DE', '25,50', 2_550],
    ['de-DE', '1.234.567,8', 123_456_780],
    ['de-DE', '1.234', 123_400],
    ['de-CH', "1'234.50", 123_450],
    ['de-CH', '1’234.50', 123_450],
    ['fr-FR', '1\u202f234,50', 123_450],
    ['fr-FR', '1 234,50', 123_450],
    ['ar-EG', '٢٥٫٥٠', 2_550],
    ['ar-EG', '25٫50', 2_550],
  ])('in %s: %s', (locale, text, cents) => {
    setLocale(locale);
    expect(parseMoney(text, 'usd')).toEqual({ cents, problem: null });
  });

  it('has the decimals of its currency', () => {
    expect(centsOf('2,500', 'jpy')).toBe(2_500);
    expect(centsOf('2.500', 'kwd')).toBe(2_500);
    expect(centsOf('2.5', 'kwd')).toBe(2_500);
    expect(centsOf('1,234.500', 'kwd')).toBe(1_234_500);
    expect(problemOf('25.50', 'jpy')).toBe('JPY has no decimals. Write an amount such as 2500.');
    expect(problemOf('2.5', 'jpy')).toMatch('no decimals');
    expect(problemOf('1.2345', 'kwd')).toMatch('KWD has at most 3 decimals, as in 25.500.');
    expect(problemOf('25.505')).toMatch('USD has at most 2 decimals, as in 25.50.');
  });

  it.each([
    ['en-US', '25,50', 'Write decimals after “.”, as in 25.50, and thousands without a separator.'],
    ['en-US', '1.234,50', 'Write decimals after “.”, as in 25.50, and thousands without a separator.'],
    ['en-US', '1,23', 'Write decimals after “.”, as in 25.50, and thousands without a separator.'],
    ['en-US', '1.2.3', 'Write decimals after “.”, as in 25.50, and thousands without a separator.'],
    ['de-DE', '25.50', 'Write decimals after “,”, as in 25,50, and thousands without a separator.'],
    ['fr-FR', '25.50', 'Write decimals after “,”, as in 25,50, and thousands without a separator.'],
  ])('is not guessed: in %s %s', (locale, text, problem) => {
    setLocale(locale);
    expect(parseMoney(text, 'usd')).toEqual({ cents: null, problem });
  });

  it('with three decimals is not guessed where thousands look like decimals', () => {
    const ways = (one: string, other: string) => `This can be read in two ways: write ${one} or ${other}.`;
    expect(problemOf('1,234', 'kwd')).toBe(ways('1234', '1.234'));
    expect(centsOf('1 234', 'kwd')).toBe(1_234_000);
    expect(centsOf('1,234,567', 'kwd')).toBe(1_234_567_000);
    setLocale('de-DE');
    expect(problemOf('1.234', 'kwd')).toBe(ways('1234', '1,234'));
    expect(centsOf('1,234', 'kwd')).toBe(1_234);
  });

  it.each(['abc', '-5', '$25', '1e5', '0x10', '+1', '½'])('is an amount, and not %s', (text) => {
    expect(parseMoney(text, 'usd')).toEqual({ cents: null, problem: 'Enter an amount such as 25 or 25.50.' });
  });

  it('is within its bounds, and may be left out', () => {
    const bounds = { min: 1, max: 100_000_000 };
    expect(parseMoney('', 'usd', bounds)).toEqual({ cents: null, problem: null });
    expect(parseMoney(' ', 'usd', bounds)).toEqual({ cents: null, problem: null });
    expect(parseMoney('1,000,000', 'usd', bounds).cents).toBe(100_000_000);
    expect(parseMoney('1,000,000.01', 'usd', bounds).problem).toBe('Enter at most $1,000,000.');
    expect(parseMoney('0', 'usd', bounds).problem).toBe('Enter at least $0.01.');
    expect(parseMoney('9'.repeat(40), 'usd').cents).toBeNull();
  });

  it.each([
    ['en-US', 'usd', 2_550, '25.50'],
    ['en-US', 'usd', 123_400, '1234'],
    ['en-US', 'jpy', 2_500, '2500'],
    ['en-US', 'kwd', 1_234, '1.234'],
    ['de-DE', 'eur', 123_450, '1234,50'],
    ['de-AT', 'eur', 123_450, '1234,50'],
    ['de-CH', 'chf', 123_450, '1234.50'],
    ['ar-EG', 'usd', 2_550, '٢٥٫٥٠'],
  ])('is shown to be changed, in %s and %s: %i', (locale, currency, cents, text) => {
    setLocale(locale);
    expect(amountText(cents, currency)).toBe(text);
    expect(parseMoney(text, currency)).toEqual({ cents, problem: null });
  });
});

describe('a whole number that a person types', () => {
  it('has the locale’s separators or none', () => {
    expect(['10000', '10 000', '10,000', ' 7 ', ''].map((text) => parseWhole(text))).toEqual([
      10_000,
      10_000,
      10_000,
      7,
      null,
    ]);
    expect(['1,2', '10.000', '1.5', '-1', '12x', '9'.repeat(17)].map((text) => parseWhole(text))).toEqual(
      Array(6).fill(undefined),
    );
    expect(parseWhole('0', { min: 1 })).toBeUndefined();
    expect(parseWhole('11', { max: 10 })).toBeUndefined();
    setLocale('de-DE');
    expect(parseWhole('10.000')).toBe(10_000);
  });
});
