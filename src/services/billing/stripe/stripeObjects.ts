const MAX_ID_CHARS = 255;

/** Stripe gives a reference as an id, or as the object itself. */
export function idOf(reference: unknown): string | null {
  const id =
    typeof reference === 'string' ? reference : (reference as { id?: unknown } | null | undefined)?.id;
  return typeof id === 'string' && id !== '' && id.length <= MAX_ID_CHARS ? id : null;
}

/** How many objects of a list are looked at. */
const MAX_LOOKED_AT = 10_000;
/** The largest page that Stripe gives. */
export const PAGE = 100;

/**
 * Looks through all pages of a list. It ends at the first object that fits.
 * @param what the list has, for the error
 * @throws an Error when the list is longer than 10,000: what cannot be found must not be made again
 */
export async function findListed<T>(
  list: AsyncIterable<T>,
  what: string,
  fits: (one: T) => boolean,
): Promise<T | undefined> {
  let count = 0;
  for await (const one of list) {
    if (fits(one)) return one;
    count += 1;
    if (count >= MAX_LOOKED_AT) throw new Error(`Stripe has more than ${MAX_LOOKED_AT} ${what}`);
  }
  return undefined;
}
