import type { BillingError } from './errors.js';

/** Snake case: `resets_at` for `resetsAt`. */
export const restName = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Details that name a tier or a feature are in lower case without GraphQL. */
const LOWER_CASE = new Set(['tier', 'feature']);

/** The details of an error with the names and values that they have without GraphQL. */
export const restDetails = (details: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(details).map(([name, value]) => [
      restName(name),
      LOWER_CASE.has(name) && typeof value === 'string' ? value.toLowerCase() : value,
    ]),
  );

/** The body of a response to a rejected request, as the billing server's REST routes send it. */
export const restErrorBody = ({ code, message, details }: BillingError) => ({
  error: { code, message, ...restDetails(details) },
});
