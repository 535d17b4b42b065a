const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** Minutes since the Unix epoch. */
export const minuteOf = (ms: number): number => Math.floor(ms / MINUTE_MS);

/** The UTC day of a minute, in days since the Unix epoch. */
export const dayOfMinute = (minute: number): number => Math.floor(minute / (DAY_MS / MINUTE_MS));

/** The UTC month of a day, in months since the year 0. */
export function monthOfDay(day: number): number {
  const date = new Date(day * DAY_MS);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

/** The UTC day, in days since the Unix epoch. */
export const dayNumberOf = (ms: number): number => Math.floor(ms / DAY_MS);

/** The name of a day, `YYYY-MM-DD`. */
export const nameOfDay = (day: number): string => dayOf(day * DAY_MS);

export const endOfMinute = (ms: number): Date => new Date((minuteOf(ms) + 1) * MINUTE_MS);

/** The UTC day, `YYYY-MM-DD`. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

export const startOfDay = (ms: number): Date => new Date(Math.floor(ms / DAY_MS) * DAY_MS);

/** The next UTC midnight. */
export const endOfDay = (ms: number): Date => new Date((Math.floor(ms / DAY_MS) + 1) * DAY_MS);

export const hourOf = (ms: number): number => new Date(ms).getUTCHours();

export const startOfMonth = (ms: number): Date => {
  const date = new Date(ms);
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1));
};

export const endOfMonth = (ms: number): Date => {
  const date = new Date(ms);
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1));
};

/** The `_id` of a tenant's day: days of one tenant lie side by side, in order. */
export const usageDayId = (tenantId: string, day: string): string => `${tenantId}:${day}`;

/** The tenant and the day of a usage day. */
export function partsOf(usageDayId: string): { tenantId: string; day: string } {
  const end = usageDayId.length - 'YYYY-MM-DD'.length;
  return { tenantId: usageDayId.slice(0, end - 1), day: usageDayId.slice(end) };
}

/** The month of a usage day: `<tenantId>:<YYYY-MM>`. */
export const monthOf = (usageDayId: string): string => usageDayId.slice(0, -'-DD'.length);

/** The days of the same month and tenant, itself among them; some months do not have the last of them. */
export const daysOfMonth = (usageDayId: string): string[] =>
  Array.from({ length: 31 }, (_, i) => `${monthOf(usageDayId)}-${String(i + 1).padStart(2, '0')}`);
