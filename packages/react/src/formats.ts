/** What the API returns for a limit that is none. */
export const UNLIMITED = Number.MAX_SAFE_INTEGER;
/** What it returns for one of the type Int. */
const UNLIMITED_INT = 2 ** 31 - 1;

/** @param limit of the type Int. @returns UNLIMITED for one that is none: as a count, its largest value is a number */
export const intLimit = (limit: number): number => (limit === UNLIMITED_INT ? UNLIMITED : limit);

export const isUnlimited = (limit: number): boolean => limit === UNLIMITED;

export type Instant = string | Date;

export interface FormatOptions {
  /** BCP 47. Default: `en-US`. One that does not exist counts as that. */
  locale?: string | undefined;
  /** IANA. Default: `UTC`, in which the limits of days and months reset. */
  timeZone?: string | undefined;
  /** Of relative times, which stand in sentences; BCP 47. Default: the locale. */
  language?: string | undefined;
}

/** Numbers, money and instants, all of one locale. */
export interface Formats {
  locale: string;
  /** `12,345` */
  number(value: number): string;
  /** In the smallest unit of the currency, like Stripe's amounts. `whole` leaves out `.00`. `$29.00` */
  money(cents: number, currency: string, options?: { whole?: boolean }): string;
  /** Steps of 1,024. `1.5 KB` */
  bytes(value: number): string;
  /** Of a ratio, rounded down, so that only what is full shows 100 %. `42%` */
  percent(ratio: number): string;
  /** `Nov 27, 2026` */
  day(at: Instant): string;
  /** `Nov 27, 2026, 06:25 UTC` */
  instant(at: Instant): string;
  /** `in 2 hours` */
  relative(at: Instant): string;
}

/** Stripe's, which differ from those of Intl: ISK and UGX are counted in hundredths. */
const WITHOUT_FRACTION = new Set('bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'.split(' '));
const IN_THOUSANDTHS = new Set('bhd jod kwd omr tnd'.split(' '));

/** @returns how many decimals the smallest unit has in the currency */
function fractionDigits(currency: string): number {
  const code = currency.toLowerCase();
  if (WITHOUT_FRACTION.has(code)) return 0;
  return IN_THOUSANDTHS.has(code) ? 3 : 2;
}

const BYTE_UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte', 'petabyte'] as const;

const STEPS = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const;

export function createFormats(options: FormatOptions = {}): Formats {
  const { locale: tag = 'en-US', timeZone = 'UTC', language } = options;
  const locale = supported(tag);
  const numbers = (options?: Intl.NumberFormatOptions) => new Intl.NumberFormat(locale, options);
  const dates = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat(locale, {
      timeZone,
      day: 'numeric',
      month: 'short',
      year: 'numeric',
      ...options,
    });

  return {
    locale,
    number: (value) => numbers().format(value),
    money(cents, currency, { whole = false } = {}) {
      const digits = fractionDigits(currency);
      const amount = cents / 10 ** digits;
      const minimum = whole && Number.isInteger(amount) ? 0 : digits;
      return numbers({
        style: 'currency',
        currency: currency.toUpperCase(),
        minimumFractionDigits: minimum,
        // Calls beyond a quota may cost fractions of a cent.
        maximumFractionDigits: Math.max(minimum, Number.isInteger(cents) ? digits : digits + 2),
      }).format(amount);
    },
    bytes(value) {
      let step = 0;
      let amount = value;
      while (Math.abs(amount) >= 1_024 && step < BYTE_UNITS.length - 1) {
        amount /= 1_024;
        step++;
      }
      const unit = BYTE_UNITS[step] ?? 'byte';
      const unitDisplay = step === 0 ? 'long' : 'short';
      const text = numbers({ style: 'unit', unit, unitDisplay, maximumFractionDigits: 1 }).format(amount);
      // Intl writes kB for steps of 1,000, which these are not.
      return step === 1 ? text.replace('kB', 'KB') : text;
    },
    percent(ratio) {
      const percent = ratio * 100;
      const floored = percent < 10 ? Math.floor(percent * 10) / 10 : Math.floor(percent);
      return numbers({ style: 'percent', maximumFractionDigits: 1 }).format(floored / 100);
    },
    day: (at) => dates({}).format(new Date(at)),
    instant: (at) =>
      dates({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZoneName: 'short' }).format(
        new Date(at),
      ),
    relative(at) {
      const seconds = (new Date(at).getTime() - Date.now()) / 1_000;
      const relative = new Intl.RelativeTimeFormat(supported(language ?? locale), { numeric: 'auto' });
      for (const [unit, length] of STEPS)
        if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
      return relative.format(Math.round(seconds), 'second');
    },
  };
}

function supported(tag: string): string {
  try {
    return Intl.getCanonicalLocales(tag)[0] ?? 'en-US';
  } catch {
    return 'en-US';
  }
}
