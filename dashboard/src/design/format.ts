/** Every number that a page shows goes through here, so that each has its unit, and each instant its time zone. */

let locale = 'en-US';

/** @param tag BCP 47. The customer's page sets what its link asks for; the operator's is English. */
export function setLocale(tag: string): void {
  try {
    locale = Intl.getCanonicalLocales(tag)[0] ?? 'en-US';
  } catch {
    locale = 'en-US';
  }
}

/** Shown where there is no value. */
export const NONE = '—';

/** What the API returns for a limit that is none. */
export const UNLIMITED = Number.MAX_SAFE_INTEGER;
/** What it returns for one of the type Int. */
const UNLIMITED_INT = 2 ** 31 - 1;

/** @param limit of the type Int. @returns UNLIMITED for one that is none: as a count, its largest value is a number */
export const intLimit = (limit: number): number => (limit === UNLIMITED_INT ? UNLIMITED : limit);

export const isUnlimited = (limit: number): boolean => limit === UNLIMITED;

/** Of the locale. */
export const numberFormat = (options?: Intl.NumberFormatOptions): Intl.NumberFormat =>
  new Intl.NumberFormat(locale, options);

/** @returns for instance `12,345` */
export function formatNumber(value: number | null | undefined, options?: Intl.NumberFormatOptions): string {
  if (value === null || value === undefined) return NONE;
  return isUnlimited(value) ? 'unlimited' : numberFormat(options).format(value);
}

/** For axes and tiles. @returns for instance `1.2M` */
export function formatCompact(value: number | null | undefined): string {
  return formatNumber(value, { notation: 'compact', maximumFractionDigits: 1 });
}

/** @returns for instance `1 call` or `1,200 calls` */
export function formatCount(value: number, singular: string, plural = `${singular}s`): string {
  return `${formatNumber(value)} ${value === 1 ? singular : plural}`;
}

/** Stripe's, which differ from those of Intl: ISK and UGX are counted in hundredths (the server's common/money.ts). */
const WITHOUT_FRACTION = new Set('bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'.split(' '));
const IN_THOUSANDTHS = new Set('bhd jod kwd omr tnd'.split(' '));

/** How many decimals the smallest unit has in the currency. */
export function fractionDigits(currency: string): number {
  const code = currency.toLowerCase();
  if (WITHOUT_FRACTION.has(code)) return 0;
  return IN_THOUSANDTHS.has(code) ? 3 : 2;
}

/**
 * @param cents in the smallest unit of the currency, like Stripe's amounts; fractions of a cent are shown
 * @param currency ISO 4217, any case
 * @param options.whole leaves out `.00`
 * @returns for instance `$29.00`
 */
export function formatMoney(
  cents: number | null | undefined,
  currency: string,
  options: { whole?: boolean; sign?: boolean } = {},
): string {
  if (cents === null || cents === undefined) return NONE;
  const style = { style: 'currency', currency: currency.toUpperCase() } as const;
  const digits = fractionDigits(currency);
  const amount = cents / 10 ** digits;
  const fraction = Number.isInteger(cents) ? digits : digits + 2;
  const minimum = options.whole && Number.isInteger(amount) ? 0 : digits;
  return numberFormat({
    ...style,
    minimumFractionDigits: minimum,
    maximumFractionDigits: Math.max(fraction, minimum),
    ...(options.sign ? { signDisplay: 'exceptZero' } : {}),
  }).format(amount);
}

const BYTE_UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB', 'PB'];

/** Steps of 1,024, like the server's own texts. @returns for instance `1.5 KB` */
export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return NONE;
  if (isUnlimited(bytes)) return 'unlimited';
  if (bytes === 1) return '1 byte';
  let unit = 0;
  let amount = bytes;
  while (Math.abs(amount) >= 1_024 && unit < BYTE_UNITS.length - 1) {
    amount /= 1_024;
    unit++;
  }
  return `${formatNumber(amount, { maximumFractionDigits: 1 })} ${BYTE_UNITS[unit]}`;
}

/** @param ratio 0.5 is 50 %. Rounded down, so that only what is full shows 100 %. */
export function formatPercent(ratio: number | null | undefined): string {
  if (ratio === null || ratio === undefined || !Number.isFinite(ratio)) return NONE;
  const percent = ratio * 100;
  return `${formatNumber(percent < 10 ? Math.floor(percent * 10) / 10 : Math.floor(percent))}%`;
}

/** @returns the change from before to now, for instance `+12%`; null if before is 0 */
export function formatChange(now: number, before: number): string | null {
  if (before === 0) return null;
  return numberFormat({
    style: 'percent',
    maximumFractionDigits: 1,
    signDisplay: 'exceptZero',
  }).format((now - before) / Math.abs(before));
}

const DATE: Intl.DateTimeFormatOptions = { timeZone: 'UTC', day: 'numeric', month: 'short', year: 'numeric' };
const TIME: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };

type Instant = string | number | Date | null | undefined;

function dateOf(value: Instant): Date | null {
  if (value === null || value === undefined) return null;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** @returns for instance `Nov 27, 2026, 06:25 UTC` */
export function formatInstant(value: Instant, options: { seconds?: boolean } = {}): string {
  const date = dateOf(value);
  if (!date) return NONE;
  const parts = { ...DATE, ...TIME, ...(options.seconds ? { second: '2-digit' as const } : {}) };
  return `${new Intl.DateTimeFormat(locale, parts).format(date)} UTC`;
}

/** Instants in a text of the server, such as 2026-11-27T06:53:23.306Z, for people. */
export function readableInstants(text: string): string {
  return text.replace(/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z/g, (instant) =>
    formatInstant(instant),
  );
}

/** @returns the day in UTC, for instance `Nov 27, 2026` */
export function formatDay(value: Instant): string {
  const date = dateOf(value);
  return date ? new Intl.DateTimeFormat(locale, DATE).format(date) : NONE;
}

/** @returns the day without its year in UTC, for instance `Nov 27` */
export function formatShortDay(value: Instant): string {
  const date = dateOf(value);
  return date
    ? new Intl.DateTimeFormat(locale, { timeZone: 'UTC', day: 'numeric', month: 'short' }).format(date)
    : NONE;
}

/** @returns for instance `November 2026` */
export function formatMonth(value: Instant): string {
  const date = dateOf(value);
  return date
    ? new Intl.DateTimeFormat(locale, { timeZone: 'UTC', month: 'long', year: 'numeric' }).format(date)
    : NONE;
}

/** @returns the hour and minute in UTC, without a zone: for axes whose caption names it */
export function formatHour(value: Instant): string {
  const date = dateOf(value);
  return date ? new Intl.DateTimeFormat(locale, { timeZone: 'UTC', ...TIME }).format(date) : NONE;
}

const STEPS = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const;

/** In English like all texts, whatever the locale of numbers is. @returns for instance `3 minutes ago` or `in 2 days` */
export function formatRelative(value: Instant, now: number = Date.now()): string {
  const date = dateOf(value);
  if (!date) return NONE;
  const seconds = (date.getTime() - now) / 1_000;
  const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
  }
  return relative.format(Math.round(seconds), 'second');
}

/** @returns for instance `850 ms`, `12 s`, `3 min 20 s` or `2 h 5 min` */
export function formatDuration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NONE;
  if (ms < 1_000) return `${formatNumber(Math.round(ms))} ms`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const parts: [number, string][] =
    seconds < 3_600
      ? [
          [Math.floor(seconds / 60), 'min'],
          [seconds % 60, 's'],
        ]
      : seconds < 86_400
        ? [
            [Math.floor(seconds / 3_600), 'h'],
            [Math.floor((seconds % 3_600) / 60), 'min'],
          ]
        : [
            [Math.floor(seconds / 86_400), 'd'],
            [Math.floor((seconds % 86_400) / 3_600), 'h'],
          ];
  return parts
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${formatNumber(amount)} ${unit}`)
    .join(' ');
}

/** An enum's value for people. @returns for instance `Past due` for `PAST_DUE` */
export function formatEnum(value: string | null | undefined): string {
  if (!value) return NONE;
  const words = value.toLowerCase().replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
