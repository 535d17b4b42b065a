import { describe, expect, it } from 'vitest';
import { chargeProblem, chargeStep, formatMoney } from '../../src/common/money.js';

describe('an amount of money', () => {
  it.each([
    ['usd', 2_900, '$29.00'],
    ['usd', 2_950, '$29.50'],
    ['usd', 0.01, '$0.0001'],
    ['eur', 5, '€0.05'],
    ['jpy', 2_900, '¥2,900'],
    ['krw', 1, '₩1'],
    ['mga', 700, 'MGA 700'],
    ['kwd', 2_900, 'KWD 2.900'],
    ['bhd', 2_905, 'BHD 2.905'],
    ['huf', 290_000, 'HUF 2,900.00'],
    ['twd', 2_900, 'NT$29.00'],
    ['ugx', 500, 'UGX 5.00'],
    ['isk', 500, 'ISK 5.00'],
  ])('in %s of %s smallest units, as Stripe counts them, is %s', (currency, amount, text) => {
    expect(formatMoney(amount, currency).replaceAll('\u00a0', ' ')).toBe(text);
  });

  it.each([
    ['usd', 1],
    ['JPY', 1],
    ['krw', 1],
    ['KWD', 10],
    ['bhd', 10],
    ['tnd', 10],
    ['isk', 100],
    ['ugx', 100],
    // They are paid out in whole units, and charged in hundredths.
    ['huf', 1],
    ['twd', 1],
  ])('in %s is charged in steps of %i', (currency, step) => {
    expect(chargeStep(currency)).toBe(step);
    expect(chargeProblem(3 * step, currency)).toBeNull();
    if (step > 1) expect(chargeProblem(3 * step + 1, currency)).toContain(`must be a multiple of ${step}`);
  });

  it('that is whole may be shown without its zeros', () => {
    expect(formatMoney(2_900, 'usd', { stripZeros: true })).toBe('$29');
    expect(formatMoney(2_950, 'usd', { stripZeros: true })).toBe('$29.50');
    expect(formatMoney(2_900, 'jpy', { stripZeros: true })).toBe('¥2,900');
  });
});
