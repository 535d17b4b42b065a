import { z } from 'zod';

/** Largest count that a JSON number and a BSON double both hold exactly. */
const count = z.int().min(0);
const name = z.string().regex(/^[A-Z][A-Z0-9_]{0,39}$/, 'must be an upper-case name such as PRO');

/** Fields of a storage account that are no resource of a team's own. */
const TAKEN_NAMES = ['memories', 'embeddings', 'bytes', 'holds', 'dimensions', 'id', 'at', 'elsewhere'];
const resourceName = z
  .string()
  .regex(/^[a-z][A-Za-z0-9]{0,39}$/, 'must be a name such as products')
  .refine((resource) => !TAKEN_NAMES.includes(resource), 'is a name that is taken');

export const limitsSchema = z.strictObject({
  apiCallsPerDay: count,
  apiCallsPerMinute: count.max(2 ** 31 - 1),
  concurrentRequests: count.max(2 ** 31 - 1),
  maxMemories: count,
  maxEmbeddings: count,
  maxStorageBytes: count,
  maxExtractionBatchSize: count.max(2 ** 31 - 1),
  federationPriority: count.max(2 ** 31 - 1),
  /** How many of each resource of the catalogue may be stored. */
  stored: z.record(resourceName, count).default({}),
});

const tierSchema = z.strictObject({
  name,
  /** null: priced by contract. */
  monthlyPriceCents: z.int().min(0).nullable(),
  checkout: z.enum(['NONE', 'SELF_SERVICE', 'CONTACT_SALES']),
  /** Of a tenant's first subscription; 0: none. Stripe takes up to 730. */
  trialDays: z.int().min(0).max(730).default(0),
  /** Whether the page where a person pays asks for one. */
  promotionCodes: z.boolean().default(true),
  features: z.array(name),
  limits: limitsSchema,
  overage: z.strictObject({ priceCents: z.int().min(1), perCalls: z.int().min(1) }).nullable(),
  support: z.string().max(200),
});

const catalogueSchema = z
  .strictObject({
    currency: z.string().regex(/^[a-z]{3}$/, 'must be a lower-case ISO 4217 code such as usd'),
    /** What a tenant has that never paid. */
    defaultTier: name,
    features: z.array(name).min(1).max(100),
    /** What else than memories is stored and limited: `@storageQuota(resource: "products")` names it. */
    resources: z.array(resourceName).max(50).default([]),
    tiers: z.array(tierSchema).min(1).max(50),
  })
  .superRefine((catalogue, context) => {
    const fault = (message: string, ...path: (string | number)[]) =>
      context.addIssue({ code: 'custom', message, path });
    const names = catalogue.tiers.map((tier) => tier.name);
    names.forEach((tier, i) => {
      if (names.indexOf(tier) !== i) fault(`tier ${tier} appears twice`, 'tiers', i, 'name');
    });
    if (!names.includes(catalogue.defaultTier)) fault('names no tier of this catalogue', 'defaultTier');
    catalogue.tiers.forEach((tier, i) => {
      for (const feature of tier.features) {
        if (!catalogue.features.includes(feature))
          fault(`unknown feature ${feature}`, 'tiers', i, 'features');
      }
      const { stored } = tier.limits;
      for (const resource of catalogue.resources) {
        if (!(resource in stored)) fault(`is not said`, 'tiers', i, 'limits', 'stored', resource);
      }
      for (const resource of Object.keys(stored)) {
        if (!catalogue.resources.includes(resource))
          fault('is none of the resources', 'tiers', i, 'limits', 'stored', resource);
      }
      if (tier.checkout === 'SELF_SERVICE' && !tier.monthlyPriceCents) {
        fault('a tier sold by checkout needs a price', 'tiers', i, 'monthlyPriceCents');
      }
    });
    for (const feature of catalogue.features) {
      if (!catalogue.tiers.some((tier) => tier.features.includes(feature))) {
        fault(`no tier has the feature ${feature}`, 'features');
      }
    }
  });

export type TierLimits = z.infer<typeof limitsSchema>;
/** Of a contract; null clears one. */
export type LimitOverrides = { [name in keyof TierLimits]?: TierLimits[name] | null | undefined };
export type TierDefinition = z.infer<typeof tierSchema>;
export type Catalogue = z.infer<typeof catalogueSchema>;

export const LIMIT_NAMES = Object.keys(limitsSchema.shape) as (keyof TierLimits)[];

/**
 * Checks a catalogue of tiers (names, prices in cents, limits, features).
 * @throws an Error whose message lists every fault with its place
 */
export function parseCatalogue(json: unknown): Catalogue {
  const result = catalogueSchema.safeParse(json);
  if (result.success) return result.data;
  const faults = result.error.issues.map(
    (issue) => `${issue.path.join('.') || 'catalogue'}: ${issue.message}`,
  );
  throw new Error(faults.join('\n'));
}
