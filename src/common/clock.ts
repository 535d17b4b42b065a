/** The source of time for all services, so that tests can control it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

const shown = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'medium', timeZone: 'UTC' });

/** An instant for people to read: `27 November 2026, 06:53:23 UTC`. */
export const instantText = (at: Date): string => `${shown.format(at).replace(' at ', ', ')} UTC`;
