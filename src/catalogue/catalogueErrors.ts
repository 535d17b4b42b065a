import { z } from 'zod';
import { chargeProblem } from '../common/money.js';
import { ancestryOf, InheritanceError, inherited } from './inheritance.js';
import { callPriceOf } from './overagePrice.js';
import { MAX_MONTHS, monthlyAmountIn, monthsIn, type Price, priceName, pricesSchema } from './prices.js';
import { SEAT_LIMITS } from './seatLimits.js';

export interface CatalogueError {
  /** Where in the file. */
  path: readonly PropertyKey[];
  message: string;
  /** The kind of a schema error. */
  code?: string;
  /** The reasons why a key is wrong. */
  issues?: readonly { message: string }[];
}

/** What each tier must define or inherit. */
export interface Required {
  terms: readonly string[];
  limits: readonly string[];
}

const text = z.string().catch('');
const texts = z.array(z.unknown()).transform((all) => all.filter((one) => typeof one === 'string'));
const number = z.number().catch(Number.NaN);
const limits = z
  .looseObject({ stored: z.record(z.string(), z.unknown()).catch({}).optional() })
  .catch({})
  .optional();
const priced = {
  monthlyPriceCents: z.number().nullable().optional().catch(undefined),
  prices: pricesSchema.optional().catch(undefined),
};
const former = z
  .looseObject({
    version: number.optional(),
    features: texts.catch([]).optional(),
    stripePriceIds: texts.catch([]).optional(),
    limits,
    ...priced,
  })
  .catch({});
const tier = z
  .looseObject({
    name: text,
    extends: z.string().optional().catch(undefined),
    renamedFrom: z
      .union([z.string(), texts])
      .transform((former) => [former].flat())
      .optional()
      .catch(undefined),
    retired: z.boolean().optional().catch(undefined),
    successor: z.string().nullable().optional().catch(undefined),
    version: number.optional(),
    features: texts.catch([]).optional(),
    former: z.array(former).catch([]).optional(),
    limits,
    ...priced,
  })
  .catch({ name: '' });
const overage = z.object({
  priceCents: z.int().min(1),
  perCalls: z.int().min(1),
  amounts: z.record(z.string(), z.int().min(1)).default({}),
});

/**
 * The readable parts of a file, whatever else is wrong with it, so that all errors are reported at once. Values left out
 * here (`''`, not a number, undefined) are schema errors, and are reported as such.
 */
const readable = z.object({
  currency: text,
  defaultTier: text,
  features: texts.optional().catch(undefined),
  retiredFeatures: texts.optional().catch(undefined),
  resources: texts.optional().catch(undefined),
  displayNames: z.record(z.string(), z.unknown()).optional().catch(undefined),
  tiers: z.array(tier).catch([]),
});

type Readable = z.infer<typeof readable>;
type ReadableTier = z.infer<typeof tier>;
type ReadableFormer = z.infer<typeof former>;
type Report = (message: string, ...path: PropertyKey[]) => void;

/**
 * Finds the errors of a catalogue whose parts are valid one by one, but not together.
 * @param malformed the known schema errors; errors inside of one are not reported again
 */
export function catalogueErrors(
  json: unknown,
  required: Required,
  malformed: readonly CatalogueError[],
): CatalogueError[] {
  const file = readable.safeParse(json);
  if (!file.success) return [];
  const errors: CatalogueError[] = [];
  const report: Report = (message, ...path) => {
    if (!malformed.some((error) => isAround(error, path))) errors.push({ path, message });
  };
  const whole = file.data.tiers.map((one, i) => completed(one, i, file.data, required, report));
  checkNames(file.data, report);
  checkRetired(file.data, whole, report);
  for (const [i, one] of whole.entries()) {
    if (one) checkTier(one, i, file.data, report);
  }
  for (const [i, one] of file.data.tiers.entries()) {
    for (const [j, version] of (one.former ?? []).entries())
      checkFormer(version, [i, j], file.data, required, report);
  }
  checkFeaturesHad(file.data, whole, report);
  checkDisplayNames(file.data, report);
  return errors;
}

/** An unrecognized key does not make its neighbours wrong. */
const isAround = ({ path, code }: CatalogueError, inner: readonly PropertyKey[]): boolean =>
  code !== 'unrecognized_keys' && path.every((key, i) => inner[i] === key);

/** @returns the tier with what it inherits; null if its `extends` is wrong */
function completed(one: ReadableTier, i: number, { tiers }: Readable, required: Required, report: Report) {
  try {
    const whole = inherited(ancestryOf(one, tiers));
    const hole = one.extends ? 'is set neither here nor in the tier that it extends' : 'is missing';
    const isPriced = (whole.prices?.length ?? 0) > 0;
    for (const term of required.terms)
      if (!(term in whole) && !(isPriced && term === 'monthlyPriceCents')) report(hole, 'tiers', i, term);
    for (const limit of required.limits)
      if (!(limit in whole.limits)) report(hole, 'tiers', i, 'limits', limit);
    return whole as typeof whole & ReadableTier & { limits: { stored: Record<string, unknown> } };
  } catch (error) {
    if (!(error instanceof InheritanceError)) throw error;
    report(error.message, 'tiers', i, 'extends');
    return null;
  }
}
type WholeTier = NonNullable<ReturnType<typeof completed>>;

function checkNames({ tiers, defaultTier }: Readable, report: Report): void {
  const names = tiers.map(({ name }) => name);
  if (defaultTier && !names.includes(defaultTier)) report('names no tier of this catalogue', 'defaultTier');
  for (const [i, { name, renamedFrom = [] }] of tiers.entries()) {
    if (name && names.indexOf(name) !== i) report(`tier ${name} appears twice`, 'tiers', i, 'name');
    for (const former of renamedFrom) {
      const isElsewhere = tiers.some(
        (other, j) => j !== i && (other.name === former || other.renamedFrom?.includes(former)),
      );
      if (isElsewhere) report(`${former} is or was the name of another tier, too`, 'tiers', i, 'renamedFrom');
    }
  }
}

/** A successor must be sold to everybody, because nobody is asked. */
function checkRetired(
  { tiers, defaultTier }: Readable,
  whole: readonly (WholeTier | null)[],
  report: Report,
): void {
  for (const [i, { name, retired = false, successor }] of tiers.entries()) {
    if (retired && name === defaultTier) report('is the default tier, which stays', 'tiers', i, 'retired');
    if (successor == null) continue;
    const path = ['tiers', i, 'successor'];
    const next = tiers.findIndex((tier) => tier.name === successor);
    if (!retired) report('is only for a tier that is retired', ...path);
    else if (next === -1) report(`names ${successor}, which is no tier of this catalogue`, ...path);
    else if (next === i || tiers[next]?.retired) report(`names ${successor}, which is retired`, ...path);
    else if (successor !== defaultTier && whole[next] && whole[next].checkout !== 'SELF_SERVICE')
      report(`names ${successor}, which is neither sold by checkout nor the default tier`, ...path);
  }
}

function checkTier(one: WholeTier, i: number, file: Readable, report: Report): void {
  const { tiers, features, resources = [] } = file;
  const { name, checkout, monthlyPriceCents, prices = [] } = one;
  const { stored } = one.limits;
  checkFeatures(one.features, features, (message) => report(message, 'tiers', i, 'features'));
  for (const resource of resources) {
    if (!Object.hasOwn(stored, resource)) report('is missing', 'tiers', i, 'limits', 'stored', resource);
  }
  for (const resource of Object.keys(stored)) {
    if (!resources.includes(resource))
      report('is none of the resources', 'tiers', i, 'limits', 'stored', resource);
  }
  if (checkout === 'SELF_SERVICE' && !monthlyPriceCents && prices.length === 0) {
    report('a tier sold by checkout needs a price', 'tiers', i, 'monthlyPriceCents');
  }
  checkPrices(one, ['tiers', i], file, report);
  checkAmounts(one, ['tiers', i], file, report);
  checkLimitsPerSeat(one, i, resources, report);
  const { renamedFrom = [] } = tiers[i] as ReadableTier;
  const namesOf = (tier: ReadableTier) => [tier.name, ...(tier.renamedFrom ?? [])];
  const names = [name, ...renamedFrom].flatMap((called) => [
    ...prices.map((price) => priceName(called, price)).filter((price) => price !== called),
    ...(one.overage ? [`${called}_OVERAGE`] : []),
  ]);
  for (const price of names.filter((price) => tiers.some((other) => namesOf(other).includes(price))))
    report(`STRIPE_PRICE_${price} would be the price of two things`, 'tiers', i, 'name');
  checkOverage(one, i, file, report);
}

function checkLimitsPerSeat(
  { limitsPerSeat, prices = [], checkout }: WholeTier,
  i: number,
  resources: readonly string[],
  report: Report,
): void {
  const names = z.array(z.string()).catch([]).parse(limitsPerSeat);
  for (const name of names)
    if (!SEAT_LIMITS.includes(name) && !resources.includes(name))
      report(`${name} is no limit that may be for each seat`, 'tiers', i, 'limitsPerSeat');
  const hasSeats = checkout === 'CONTACT_SALES' || prices.some(({ perSeat }) => perSeat);
  if (names.length > 0 && !hasSeats) report('the tier is not sold by the seat', 'tiers', i, 'limitsPerSeat');
}

function checkOverage(
  { overage: written, checkout, prices = [] }: WholeTier,
  i: number,
  { currency }: Readable,
  report: Report,
): void {
  const sold = overage.safeParse(written);
  if (!sold.success) return;
  if (checkout === 'NONE')
    report('a tier without a subscription has no invoice for overage', 'tiers', i, 'overage');
  const { amounts, ...terms } = sold.data;
  if (
    [terms.priceCents, ...Object.values(amounts)].some((priceCents) => !callPriceOf({ ...terms, priceCents }))
  )
    report('priceCents divided by perCalls must have at most 12 decimals', 'tiers', i, 'overage');
  const others = new Set(
    prices.flatMap((price) => Object.keys(price.amounts)).filter((one) => one !== currency),
  );
  for (const one of others)
    if (!Object.hasOwn(amounts, one)) report('is missing', 'tiers', i, 'overage', 'amounts', one);
}

/** The prices of a tier, or of a former version of it. */
function checkPrices(
  { checkout, prices = [], monthlyPriceCents }: PricedTier,
  path: readonly PropertyKey[],
  { currency }: Readable,
  report: Report,
): void {
  if (prices.length > 0 && checkout === 'NONE')
    report('a tier that is not sold has no prices', ...path, 'prices');
  const months = prices.map(monthsIn);
  for (const [i, price] of prices.entries()) {
    const own = [...path, 'prices', i];
    if (months.indexOf(months[i] as number) !== i) report('is paid as often as another', ...own, 'interval');
    if ((months[i] as number) > MAX_MONTHS)
      report(`must be paid at least every ${MAX_MONTHS} months`, ...own, 'intervalCount');
    if (price.perSeat !== prices[0]?.perSeat)
      report('must be the same for all prices of the tier', ...own, 'perSeat');
    if (currency && !Object.hasOwn(price.amounts, currency))
      report('is missing', ...own, 'amounts', currency);
  }
  const monthly = monthlyAmountIn(prices, currency);
  if (prices.length > 0 && monthlyPriceCents !== undefined && monthlyPriceCents !== monthly)
    report(`is ${monthlyPriceCents}, and prices say ${monthly}; leave it out`, ...path, 'monthlyPriceCents');
}
/** What is sold now must be possible to charge. */
function checkAmounts(
  { prices = [], monthlyPriceCents }: PricedTier,
  path: readonly PropertyKey[],
  { currency }: Readable,
  report: Report,
): void {
  const check = (amount: number, code: string, ...at: PropertyKey[]) => {
    const problem = chargeProblem(amount, code);
    if (problem) report(problem, ...path, ...at);
  };
  if (prices.length === 0 && monthlyPriceCents && currency)
    check(monthlyPriceCents, currency, 'monthlyPriceCents');
  for (const [i, { amounts }] of prices.entries())
    for (const [code, amount] of Object.entries(amounts)) check(amount, code, 'prices', i, 'amounts', code);
}
interface PricedTier {
  checkout?: unknown;
  prices?: readonly Price[] | undefined;
  monthlyPriceCents?: number | null | undefined;
}

function checkFormer(
  { version, features: had, limits: allowed, stripePriceIds = [], ...priced }: ReadableFormer,
  [i, j]: readonly [number, number],
  file: Readable,
  required: Required,
  report: Report,
): void {
  const { tiers, features, resources = [] } = file;
  const path = ['tiers', i, 'former', j];
  checkPrices(priced, path, file, report);
  const { version: present = 1, former: others = [] } = tiers[i] as ReadableTier;
  if (version !== undefined) {
    if (version >= present) report(`must be below ${present}, the tier's own`, ...path, 'version');
    if (others.slice(0, j).some((other) => other.version === version))
      report(`version ${version} appears twice`, ...path, 'version');
  }
  checkFeatures(had, features, (message) => report(message, ...path, 'features'));
  for (const limit of required.limits.filter((one) => one !== 'stored'))
    if (!Object.hasOwn(allowed ?? {}, limit)) report('is missing', ...path, 'limits', limit);
  for (const resource of resources) {
    if (!Object.hasOwn(allowed?.stored ?? {}, resource))
      report('is missing', ...path, 'limits', 'stored', resource);
  }
  const elsewhere = tiers.filter((_, other) => other !== i).flatMap((other) => other.former ?? []);
  for (const priceId of stripePriceIds) {
    if (elsewhere.some((other) => other.stripePriceIds?.includes(priceId)))
      report(`${priceId} is a price of another tier, too`, ...path, 'stripePriceIds');
  }
}

function checkFeatures(
  had: readonly string[] | undefined,
  known: readonly string[] | undefined,
  report: (message: string) => void,
): void {
  if (!known) return;
  for (const feature of had ?? []) if (!known.includes(feature)) report(`unknown feature ${feature}`);
}

/** A feature that only former versions have is still in use. */
function checkFeaturesHad(
  { tiers, features = [], retiredFeatures = [] }: Readable,
  whole: readonly (WholeTier | null)[],
  report: Report,
): void {
  const former = tiers.flatMap((one) => one.former ?? []);
  const had = new Set([...whole, ...tiers, ...former].flatMap((one) => one?.features ?? []));
  for (const feature of features) {
    if (!had.has(feature)) report(`no tier has the feature ${feature}`, 'features');
  }
  for (const feature of retiredFeatures) {
    if (features.includes(feature)) report(`${feature} is a feature, too`, 'retiredFeatures');
  }
}

function checkDisplayNames(
  { tiers, features, resources = [], displayNames = {} }: Readable,
  report: Report,
): void {
  if (!features) return;
  const settings = tiers.flatMap((tier) => Object.keys(tier.settings ?? {}));
  const known = new Set([...tiers.map(({ name }) => name), ...features, ...resources, ...settings]);
  for (const name of Object.keys(displayNames)) {
    if (!known.has(name))
      report('is the name of no tier, feature, resource or setting', 'displayNames', name);
  }
}
