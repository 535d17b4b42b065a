import type { Price } from './prices.js';

/** The parts of a tier in the catalogue file that inheritance uses. */
export interface WrittenTier {
  name: string;
  extends?: string | undefined;
  version?: unknown;
  former?: unknown;
  monthlyPriceCents?: unknown;
  prices?: unknown;
  settings?: object | undefined;
  limits?: { stored?: object | undefined } | undefined;
}

/** Values that hold if no tier in the line sets them. */
const DEFAULTS = {
  trialDays: 0,
  trialRequiresCard: true,
  trialEndWithoutCard: 'CANCEL',
  promotionCodes: true,
  prices: [] as Price[],
  limitsPerSeat: [] as string[],
  settings: {},
};

/**
 * @returns the tier, the tier that it extends, and so on
 * @throws InheritanceError if a tier in the line does not exist or the line is a loop
 */
export function ancestryOf<T extends WrittenTier>(tier: T, written: readonly T[]): T[] {
  const line = [tier];
  for (let next = tier.extends; next !== undefined; ) {
    const found = written.find(({ name }) => name === next);
    if (!found) throw new InheritanceError(`names ${next}, which is no tier of this catalogue`);
    const names = [...line, found].map(({ name }) => name);
    if (line.includes(found)) throw new InheritanceError(`is a loop: ${names.join(', ')}`);
    line.push(found);
    next = found.extends;
  }
  return line;
}

/** The `extends` of a tier is wrong. */
export class InheritanceError extends Error {}

/**
 * The first tier of a line with everything that it inherits, limit by limit. Versions are not inherited; how a tier is
 * offered is not either, because each tier of a file that was read sets all of it.
 */
export function inherited<T extends WrittenTier>([tier, ...above]: readonly T[]) {
  const { name, version = 1, former = [] } = tier as T;
  const limits = { stored: {} };
  const whole = { ...DEFAULTS };
  for (const { extends: _, version: __, former: ___, ...said } of [tier as T, ...above].reverse()) {
    const stored = { ...limits.stored, ...said.limits?.stored };
    Object.assign(limits, said.limits, { stored });
    const settings = { ...whole.settings, ...said.settings };
    replacePrices(whole, said);
    Object.assign(whole, said, { settings });
  }
  return { ...whole, name, version, former, limits };
}

/** A tier that sets one of the two takes neither over. */
function replacePrices(
  whole: Partial<WrittenTier>,
  said: Pick<WrittenTier, 'monthlyPriceCents' | 'prices'>,
): void {
  if ('monthlyPriceCents' in said) whole.prices = [];
  if ('prices' in said) delete whole.monthlyPriceCents;
}
