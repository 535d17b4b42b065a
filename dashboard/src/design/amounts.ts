/**
 * Reads numbers and amounts as a person types them, by one rule: a separator means what it means in the numbers that the
 * page shows, and a space separates thousands everywhere. Anything else is rejected with what to write instead, because a
 * guess could be wrong by a factor of a thousand.
 */
import { formatMoney, fractionDigits, numberFormat } from './format.js';

/** An amount as it was typed. */
export interface Amount {
  /** In the currency's smallest unit; null if nothing was typed, or it is not an amount. */
  cents: number | null;
  /** What is wrong, and what to write instead; null if nothing is. */
  problem: string | null;
}

interface Bounds {
  min?: number;
  max?: number;
}

type Reading =
  | { kind: 'none' }
  | { kind: 'number'; whole: string; fraction: string; doubtful: boolean }
  /** Digits, but with separators that are not the locale's, or not where it has them. */
  | { kind: 'separators' }
  | { kind: 'nonsense' };

/** The separators of amounts may differ from those of numbers: in Austria both depend on it. */
function separatorsOf(format: Intl.NumberFormat): { decimal: string; group: string } {
  const parts = format.formatToParts(1_234_567.5);
  const sign = (type: string) => parts.find((part) => part.type === type)?.value ?? '';
  return { decimal: sign('decimal'), group: plain(sign('group')) };
}

/** A person types any apostrophe for any other, and digits as they are on the keyboard or in the locale. */
function plain(text: string): string {
  const digits = numberFormat({ useGrouping: false });
  let result = text.trim().replace(/[’‘]/g, "'");
  for (let digit = 0; digit <= 9; digit++) result = result.replaceAll(digits.format(digit), String(digit));
  return result;
}

const escaped = (sign: string): string => sign.replace(/[.']/g, '\\$&');

function read(text: string, format: Intl.NumberFormat): Reading {
  const { decimal, group } = separatorsOf(format);
  const typed = plain(text);
  if (typed === '') return { kind: 'none' };
  const separator = `[\\s${escaped(group)}]`;
  // India has groups of two. The last group has three digits everywhere, so that 25,50 is not taken for 2550.
  const whole = `\\d+|\\d{1,3}(?:${separator}\\d{2,3})*${separator}\\d{3}`;
  const match = new RegExp(`^(${whole})(?:${escaped(decimal)}(\\d*))?$`).exec(typed);
  if (!match) return { kind: /^[\d\s.,'٫٬]+$/.test(typed) && /\d/.test(typed) ? 'separators' : 'nonsense' };
  const [, grouped = '', fraction = ''] = match;
  const digits = grouped.replace(/\D/g, '');
  const doubtful = /[.,]/.test(grouped) && digits.length <= 6 && fraction === '';
  return { kind: 'number', whole: digits, fraction, doubtful };
}

/**
 * Reads a whole number: in en-US `10000`, `10 000` and `10,000`.
 * @returns null for an empty text, undefined for anything that is not such a number or outside of the bounds
 */
export function parseWhole(
  text: string,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: Bounds = {},
): number | null | undefined {
  const reading = read(text, numberFormat({ minimumFractionDigits: 1 }));
  if (reading.kind === 'none') return null;
  if (reading.kind !== 'number' || reading.fraction !== '') return undefined;
  const value = Number(reading.whole);
  return Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined;
}

/**
 * Reads an amount of money: in en-US `50`, `49.90` and `1,200`; in de-DE `50`, `49,90` and `1.200`.
 * @param bounds in the currency's smallest unit
 */
export function parseMoney(
  text: string,
  currency: string,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: Bounds = {},
): Amount {
  const format = moneyFormat(currency, 1);
  const reading = read(text, format);
  if (reading.kind === 'none') return { cents: null, problem: null };
  const places = fractionDigits(currency);
  const code = currency.toUpperCase();
  const wrong = (problem: string): Amount => ({ cents: null, problem });
  const example = amountText(places === 0 ? 2_500 : 25.5 * 10 ** places, currency);
  if (reading.kind === 'nonsense')
    return wrong(
      places === 0
        ? `Enter a whole amount such as ${example}.`
        : `Enter an amount such as ${amountText(25 * 10 ** places, currency)} or ${example}.`,
    );
  if (reading.kind === 'separators')
    return wrong(
      places === 0
        ? `${code} has no decimals. Write an amount such as ${example}.`
        : `Write decimals after “${separatorsOf(format).decimal}”, as in ${example}, and thousands without a separator.`,
    );
  const { whole, fraction, doubtful } = reading;
  if (fraction.length > places)
    return wrong(
      places === 0
        ? `${code} has no decimals. Write an amount such as ${example}.`
        : `${code} has at most ${places} decimals, as in ${example}. Write thousands without a separator.`,
    );
  // 1,234 is also how people elsewhere write 1.234, which is an amount if there are three decimals.
  if (doubtful && places === 3)
    return wrong(
      `This can be read in two ways: write ${amountText(Number(whole) * 1_000, currency)} or ${amountText(Number(whole), currency)}.`,
    );
  const cents = Number(whole + fraction.padEnd(places, '0'));
  if (cents > max) return wrong(`Enter at most ${formatMoney(max, currency, { whole: true })}.`);
  if (cents < min) return wrong(`Enter at least ${formatMoney(min, currency, { whole: true })}.`);
  return { cents, problem: null };
}

const moneyFormat = (currency: string, minimumFractionDigits: number): Intl.NumberFormat =>
  numberFormat({
    style: 'currency',
    currency: currency.toUpperCase(),
    minimumFractionDigits,
    maximumFractionDigits: Math.max(minimumFractionDigits, fractionDigits(currency)),
  });

/** What a field shows of an amount that parseMoney reads: without separators of thousands, as a person types it. */
export function amountText(cents: number | null, currency: string): string {
  if (cents === null) return '';
  const places = fractionDigits(currency);
  const amount = cents / 10 ** places;
  return moneyFormat(currency, Number.isInteger(amount) ? 0 : places)
    .formatToParts(amount)
    .filter(({ type }) => type === 'integer' || type === 'decimal' || type === 'fraction')
    .map(({ value }) => value)
    .join('');
}
