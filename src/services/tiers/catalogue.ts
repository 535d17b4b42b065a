import { z } from 'zod';
import { callPriceOf } from './overagePrice.js';

/** Largest count that a JSON number and a BSON double both hold exactly. */
const count = z.int().min(0);
const smallCount = count.max(2 ** 31 - 1);
const name = z.string().regex(/^[A-Z][A-Z0-9_]{0,39}$/, 'must be an upper-case name such as PRO');

/** Fields of a storage account that are no resource of a team's own. */
const TAKEN_NAMES = ['memories', 'embeddings', 'bytes', 'holds', 'dimensions', 'id', 'at', 'elsewhere'];
const resourceName = z
  .string()
  .regex(/^[a-z][A-Za-z0-9]{0,39}$/, 'must be a name such as products')
  .refine((resource) => !TAKEN_NAMES.includes(resource), 'is a name that is taken');

export const limitsSchema = z.strictObject({
  apiCallsPerDay: count.describe('Calls in a UTC day.'),
  apiCallsPerMinute: smallCount.describe('Calls in a minute of the clock.'),
  concurrentRequests: smallCount.describe('Metered operations under way at once.'),
  maxMemories: count.describe('Memories stored.'),
  maxEmbeddings: count.describe('Memories stored with an embedding.'),
  maxStorageBytes: count.describe('Bytes of all that is stored.'),
  maxExtractionBatchSize: smallCount.describe('Items of one extraction.'),
  federationPriority: smallCount.describe('Higher goes first; 0: no federation.'),
  stored: z.record(resourceName, count).describe('How many of each resource of the catalogue may be stored.'),
});

const overage = z
  .strictObject({
    priceCents: z.int().min(1).describe('Cents for so many calls.'),
    perCalls: z.int().min(1).describe('So many calls.'),
  })
  .nullable();

/** What a tier is, its name aside. */
const terms = z.strictObject({
  monthlyPriceCents: z.int().min(0).nullable().describe('Cents a month; null: priced by contract.'),
  checkout: z
    .enum(['NONE', 'SELF_SERVICE', 'CONTACT_SALES'])
    .describe('How it is bought; SELF_SERVICE needs a price.'),
  // Stripe takes up to 730.
  trialDays: z.int().min(0).max(730).describe("Days of trial of a tenant's first subscription; 0: none."),
  promotionCodes: z.boolean().describe('Whether the page where a person pays asks for a promotion code.'),
  features: z.array(name).describe('Features of the catalogue that the tier has.'),
  limits: limitsSchema,
  overage: overage.describe('What calls past the daily quota cost; null: they are refused.'),
  support: z.string().max(200).describe('In words, for people.'),
});
const version = z.int().min(1).max(1_000_000);
/** What a version was is copied from a tier, which needs not say what it stores where the catalogue has no resources. */
const formerLimits = limitsSchema.extend({ stored: limitsSchema.shape.stored.default({}) });
/** What a tier was: who bought it then keeps it. */
const formerTerms = terms.pick({ monthlyPriceCents: true, features: true }).extend({
  version: version.describe('Below that of the tier.'),
  limits: formerLimits.describe('In full: a former version takes nothing over.'),
  stripePriceIds: z
    .array(z.string().min(1).max(255))
    .max(50)
    .default([])
    .describe('Stripe prices at which this version was sold; none: those of the next version.'),
});
const FORMER = 'Earlier versions that subscriptions still have, their limits in full.';
const versioned = {
  version: version.describe('Rises when what new buyers get changes; then `former` has what it was.'),
  former: z.array(formerTerms).max(100).describe(FORMER),
};
const tierSchema = terms.extend({ name, ...versioned });

/** A tier as a file writes it: what it does not say is that of the tier that it extends. */
const writtenTier = terms
  .extend(versioned)
  .partial()
  .extend({
    name: name.describe('Upper case, such as PRO.'),
    extends: name.optional().describe('The tier whose terms hold where this one says nothing.'),
    limits: limitsSchema.partial().optional().describe('What it allows; in part where it extends another.'),
  });

const fileSchema = z.strictObject({
  $schema: z.string().optional().describe('Where this schema is, for editors.'),
  currency: z
    .string()
    .regex(/^[a-z]{3}$/, 'must be a lower-case ISO 4217 code such as usd')
    .describe('ISO 4217, lower case.'),
  defaultTier: name.describe('The tier of a tenant that never paid.'),
  features: z.array(name).min(1).max(100).describe('All features; each belongs to a tier.'),
  resources: z
    .array(resourceName)
    .max(50)
    .default([])
    .describe(
      'What else than memories is stored and limited: `@storageQuota(resource: "products")` names it.',
    ),
  tiers: z.array(writtenTier).min(1).max(50).describe('Smallest first.'),
});

type WrittenTier = z.infer<typeof writtenTier>;
export type TierLimits = z.infer<typeof limitsSchema>;
/** Of a contract; null clears one. */
export type LimitOverrides = { [name in keyof TierLimits]?: TierLimits[name] | null | undefined };
export type TierDefinition = z.infer<typeof tierSchema>;
export interface Catalogue {
  currency: string;
  /** What a tenant has that never paid. */
  defaultTier: string;
  features: string[];
  /** What is stored and limited besides memories. */
  resources: string[];
  tiers: TierDefinition[];
}

export const LIMIT_NAMES = Object.keys(limitsSchema.shape) as (keyof TierLimits)[];

/** Where no tier says anything. */
const UNSAID = { trialDays: 0, promotionCodes: true };

/**
 * Checks a catalogue of tiers (names, prices in cents, limits, features).
 * @returns it with each tier in full, whatever it extends
 * @throws an Error whose message lists every fault with its place
 */
export function parseCatalogue(json: unknown): Catalogue {
  const file = fileSchema.safeParse(json);
  if (!file.success) throw faulty(file.error.issues.map(({ path, message }) => place(path, message)));
  const { $schema: _, tiers: written, ...rest } = file.data;
  const faults: string[] = [];
  const tiers = written.map((tier, i) => completed(tier, written, ['tiers', i], faults));
  if (faults.length > 0) throw faulty(faults);
  const catalogue = { ...rest, tiers: tiers as TierDefinition[] };
  const inconsistent = inconsistencies(catalogue);
  if (inconsistent.length > 0) throw faulty(inconsistent);
  return catalogue;
}

/** The JSON Schema of a catalogue's file (draft 2020-12). */
export const catalogueJsonSchema = (): object => ({
  title: 'A catalogue of tiers of Continuum Billing',
  ...z.toJSONSchema(fileSchema, { io: 'input' }),
});

const place = (path: readonly PropertyKey[], message: string): string =>
  `${path.join('.') || 'catalogue'}: ${message}`;

const faulty = (faults: readonly string[]): Error => new Error(faults.join('\n'));

/** A tier with all that it takes over. */
function completed(
  tier: WrittenTier,
  written: readonly WrittenTier[],
  path: readonly PropertyKey[],
  faults: string[],
): TierDefinition | null {
  const line = lineOf(tier, written);
  if (typeof line === 'string') {
    faults.push(place([...path, 'extends'], line));
    return null;
  }
  const limits = { stored: {} };
  // Each tier counts its versions for itself.
  const { version = 1, former = [] } = tier;
  const whole = { ...UNSAID };
  for (const { extends: _, version: __, former: ___, ...said } of line.reverse()) {
    const stored = { ...limits.stored, ...said.limits?.stored };
    Object.assign(limits, said.limits, { stored });
    Object.assign(whole, said);
  }
  const result = tierSchema.safeParse({ ...whole, limits, version, former });
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const isHole = issue.code === 'invalid_type' && valueAt({ ...whole, limits }, issue.path) === undefined;
    const hole = tier.extends ? 'is said neither here nor in what it extends' : 'is missing';
    faults.push(place([...path, ...issue.path], isHole ? hole : issue.message));
  }
  return null;
}

/** @returns the tier, what it extends, and so on; or what is wrong with it */
function lineOf(tier: WrittenTier, written: readonly WrittenTier[]): WrittenTier[] | string {
  const line = [tier];
  for (let next = tier.extends; next !== undefined; ) {
    const found = written.find(({ name: other }) => other === next);
    if (!found) return `names ${next}, which is no tier of this catalogue`;
    if (line.includes(found)) return `is a loop: ${[...line, found].map((one) => one.name).join(', ')}`;
    line.push(found);
    next = found.extends;
  }
  return line;
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value);

const sellsAt = ({ former }: TierDefinition, priceId: string): boolean =>
  former.some(({ stripePriceIds }) => stripePriceIds.includes(priceId));

/** What each part says well, and all together wrongly. */
function inconsistencies({ tiers, features, resources, defaultTier }: Catalogue): string[] {
  const faults: string[] = [];
  const fault = (message: string, ...path: PropertyKey[]) => faults.push(place(path, message));
  const names = tiers.map((tier) => tier.name);
  if (!names.includes(defaultTier)) fault('names no tier of this catalogue', 'defaultTier');
  for (const [i, tier] of tiers.entries()) {
    const { stored } = tier.limits;
    if (names.indexOf(tier.name) !== i) fault(`tier ${tier.name} appears twice`, 'tiers', i, 'name');
    for (const feature of tier.features) {
      if (!features.includes(feature)) fault(`unknown feature ${feature}`, 'tiers', i, 'features');
    }
    for (const resource of resources) {
      if (!(resource in stored)) fault('is missing', 'tiers', i, 'limits', 'stored', resource);
    }
    for (const resource of Object.keys(stored)) {
      if (!resources.includes(resource))
        fault('is none of the resources', 'tiers', i, 'limits', 'stored', resource);
    }
    for (const [j, { version, limits, features: had, stripePriceIds }] of tier.former.entries()) {
      const path = ['tiers', i, 'former', j];
      if (version >= tier.version) fault(`must be below ${tier.version}, the tier's own`, ...path, 'version');
      if (tier.former.findIndex((other) => other.version === version) !== j)
        fault(`version ${version} appears twice`, ...path, 'version');
      for (const feature of had) {
        if (!features.includes(feature)) fault(`unknown feature ${feature}`, ...path, 'features');
      }
      for (const resource of resources) {
        if (!(resource in limits.stored)) fault('is missing', ...path, 'limits', 'stored', resource);
      }
      for (const priceId of stripePriceIds) {
        if (tiers.some((other) => other !== tier && sellsAt(other, priceId)))
          fault(`${priceId} is a price of another tier, too`, ...path, 'stripePriceIds');
      }
    }
    if (tier.checkout === 'SELF_SERVICE' && !tier.monthlyPriceCents) {
      fault('a tier sold by checkout needs a price', 'tiers', i, 'monthlyPriceCents');
    }
    if (tier.overage && tier.checkout === 'NONE') {
      fault('a tier without a subscription has no invoice for overage', 'tiers', i, 'overage');
    }
    if (tier.overage && callPriceOf(tier.overage) === null) {
      fault('priceCents divided by perCalls must have at most 12 decimals', 'tiers', i, 'overage');
    }
    if (tier.overage && names.includes(`${tier.name}_OVERAGE`)) {
      fault(`STRIPE_PRICE_${tier.name}_OVERAGE would be the price of two things`, 'tiers', i, 'name');
    }
  }
  for (const feature of features) {
    // What new buyers cannot have any more, others may hold.
    if (!tiers.some((tier) => [tier, ...tier.former].some(({ features: had }) => had.includes(feature))))
      fault(`no tier has the feature ${feature}`, 'features');
  }
  return faults;
}
