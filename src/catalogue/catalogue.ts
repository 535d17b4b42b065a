import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { TierLimits } from '../models/tierLimits.js';
import { type CatalogueError, catalogueErrors } from './catalogueErrors.js';
import { ancestryOf, inherited } from './inheritance.js';
import { currencyCode, monthlyAmountIn, pricesSchema } from './prices.js';
import { UNLIMITED, UNLIMITED_INT } from './unlimited.js';

/** Largest count that a JSON number and a BSON double both hold exactly. */
const count = z
  .int()
  .min(0)
  .nullable()
  .transform((limit) => limit ?? UNLIMITED);
const smallCount = z
  .int()
  .min(0)
  .max(UNLIMITED_INT)
  .nullable()
  .transform((limit) => limit ?? UNLIMITED_INT);
const name = z.string().regex(/^[A-Z][A-Z0-9_]{0,39}$/, 'must be an upper-case name such as PRO');

/** Fields of a storage account that cannot be the name of a resource. */
const OWN_FIELDS = [
  'memories',
  'embeddings',
  'bytes',
  'externalBytes',
  'holds',
  'dimensions',
  'id',
  'at',
  'elsewhere',
];
/** Names with a meaning of their own in JavaScript, too. */
const TAKEN_NAMES = [...OWN_FIELDS, ...Object.getOwnPropertyNames(Object.prototype)];
const resourceName = z
  .string()
  .regex(/^[a-z][A-Za-z0-9]{0,39}$/, 'must be a name such as products')
  // A pattern, so that it is in the JSON Schema too.
  .regex(new RegExp(`^(?!(?:${TAKEN_NAMES.join('|')})$)`), 'is a name that is taken');

const displayName = z
  .string()
  .regex(
    /^(?=\S)[^\p{Cc}]{1,60}(?<=\S)$/u,
    'must have 1 to 60 printable characters, without spaces at its ends',
  );

export const limitsSchema = z.strictObject({
  apiCallsPerDay: count.describe('Calls in a UTC day. Here and below, null: unlimited.'),
  apiCallsPerMinute: smallCount.describe('Calls in a minute of the clock.'),
  concurrentRequests: smallCount.describe('Metered operations under way at once.'),
  maxMemories: count.describe('Memories stored.'),
  maxEmbeddings: count.describe('Memories stored with an embedding.'),
  maxStorageBytes: count.describe('Bytes of all that is stored.'),
  maxExtractionBatchSize: smallCount.describe('Items of one extraction.'),
  federationPriority: smallCount.describe('Higher goes first; 0: no federation.'),
  stored: z.record(resourceName, count).describe('How many of each resource of the catalogue may be stored.'),
} satisfies Record<keyof TierLimits, z.ZodType>);

const setting = z.union([z.number(), z.string().max(200), z.boolean()]);
export type Setting = z.infer<typeof setting>;
const MAX_SETTINGS = 50;
const settings = z
  .record(z.string().regex(/^[a-z][A-Za-z0-9]{0,39}$/, 'must be a name such as retentionDays'), setting)
  .refine((all) => Object.keys(all).length <= MAX_SETTINGS, `must be at most ${MAX_SETTINGS}`);

const overage = z
  .strictObject({
    priceCents: z.int().min(1).describe('For so many calls, in the currency’s smallest unit.'),
    perCalls: z.int().min(1).describe('So many calls.'),
    amounts: z
      .record(currencyCode, z.int().min(1))
      .optional()
      .describe('priceCents in the other currencies in which the tier is sold.'),
  })
  .nullable();

const limitsPerSeat = z
  .array(z.string().max(40))
  .max(100)
  .describe('Limits, and resources, whose amount is for each seat that is bought.');

/** The terms of a tier, without its name. */
const terms = z.strictObject({
  monthlyPriceCents: z
    .int()
    .min(0)
    .nullable()
    .describe(
      'A month, in the smallest unit in which Stripe counts the currency: cents of USD, yen, thousandths of KWD; null: priced by contract, or by `prices` without a monthly one.',
    ),
  prices: pricesSchema,
  checkout: z
    .enum(['NONE', 'SELF_SERVICE', 'CONTACT_SALES'])
    .describe('How it is bought; SELF_SERVICE needs a price.'),
  // Stripe takes up to 730.
  trialDays: z.int().min(0).max(730).describe("Days of trial of a tenant's first subscription; 0: none."),
  trialRequiresCard: z
    .boolean()
    .describe('Whether the checkout of a trial asks for a card; true by default.'),
  trialEndWithoutCard: z
    .enum(['CANCEL', 'PAUSE', 'INVOICE'])
    .describe(
      'What happens to a trial without a card when it ends. CANCEL, the default: the subscription ends and the default tier follows; PAUSE: it is paused until there is a card; INVOICE: the payment is overdue.',
    ),
  promotionCodes: z.boolean().describe('Whether the page where a person pays asks for a promotion code.'),
  features: z.array(name).describe('Features of the catalogue that the tier has.'),
  limits: limitsSchema,
  limitsPerSeat,
  settings: settings.describe(
    'Values that your own services read, such as retentionDays. Inherited one by one.',
  ),
  overage: overage.describe('What calls past the daily quota cost; null: they are refused.'),
  support: z.string().max(200).describe('In words, for people.'),
});
const version = z.int().min(1).max(1_000_000);
/** Limits that only the sample domain uses. Without it, a catalogue need not name them and the API does not have them. */
export const SAMPLE_LIMITS = ['maxMemories', 'maxEmbeddings', 'federationPriority'] as const;
/** The features that it requires, which a catalogue then must have. */
export const SAMPLE_FEATURES = ['SEMANTIC_SEARCH', 'FEDERATION', 'REALTIME_SYNC'] as const;
/** Only with the sample domain does a catalogue have to name all limits: catalogueErrors.ts reports those that are missing. */
const wholeLimits = limitsSchema.extend({
  maxMemories: limitsSchema.shape.maxMemories.default(0),
  maxEmbeddings: limitsSchema.shape.maxEmbeddings.default(0),
  federationPriority: limitsSchema.shape.federationPriority.default(0),
} satisfies Record<(typeof SAMPLE_LIMITS)[number], z.ZodType>);
/** A former version is a copy of a tier, in which `stored` is optional if the catalogue has no resources. */
const formerLimits = wholeLimits.extend({ stored: limitsSchema.shape.stored.default({}) });
/** An earlier version of a tier. Those who bought it keep it. */
const formerTerms = terms.pick({ monthlyPriceCents: true, features: true }).extend({
  prices: pricesSchema.default([]),
  limitsPerSeat: limitsPerSeat.default([]),
  version: version.describe('Below that of the tier.'),
  limits: formerLimits.describe('In full: a former version takes nothing over.'),
  settings: settings.default({}),
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
/** Where the monthly price is not set, `prices` says what it is. */
const monthlyPriceCents = terms.shape.monthlyPriceCents.optional();

/** What a tier does not inherit: how it is offered, and what becomes of it. */
const offer = z.strictObject({
  description: z.string().max(500).describe('A sentence or two for people, on price lists.').default(''),
  hidden: z
    .boolean()
    .describe('Whether only operators see it and sell it: it is on no price list.')
    .default(false),
  retired: z
    .boolean()
    .describe('Whether it is no longer sold. Those who have it keep it, unless there is a `successor`.')
    .default(false),
  successor: name
    .nullable()
    .describe(
      'Of a retired tier: the tier to which `npx continuum-billing catalogue apply` moves its subscriptions when their period ends.',
    )
    .default(null),
});

/** A tier in the file. It inherits what it does not set from the tier that it extends. */
const writtenTier = terms
  .extend(versioned)
  .partial()
  .extend(offer.shape)
  .extend({
    name: name.describe('Upper case, such as PRO.'),
    renamedFrom: z
      .union([name, z.array(name).max(10)])
      .transform((former) => [former].flat())
      .default([])
      .describe(
        'The name that it had before; if several, the first one first. It stays in the file: the tier is stored under it, here and at Stripe.',
      ),
    extends: name.optional().describe('The tier whose terms hold where this one says nothing.'),
    limits: limitsSchema.partial().optional().describe('What it allows; in part where it extends another.'),
  });

const tierSchema = terms.extend({
  ...offer.shape,
  name,
  renamedFrom: z.array(name),
  ...versioned,
  monthlyPriceCents,
  limits: wholeLimits,
});

const fileSchema = z.strictObject({
  $schema: z.string().optional().describe('Where this schema is, for editors.'),
  currency: currencyCode.describe('ISO 4217, lower case. Prices may have amounts in others, too.'),
  defaultTier: name.describe('The tier of a tenant that never paid.'),
  features: z.array(name).min(1).max(100).describe('All features; each belongs to a tier.'),
  retiredFeatures: z
    .array(name)
    .max(100)
    .default([])
    .describe('Features that are no longer sold: tenants who have one lose it.'),
  resources: z
    .array(resourceName)
    .max(50)
    .default([])
    .describe(
      'What is stored and limited, in addition to the memories of the sample domain: `@storageQuota(resource: "products")` names it.',
    ),
  displayNames: z
    .record(z.string(), displayName)
    .default({})
    .describe(
      'What people read instead of the name of a tier, a feature or a resource. Default: the name in words, such as Semantic search.',
    ),
  tiers: z.array(writtenTier).min(1).max(50).describe('Smallest first.'),
});

type WrittenTier = z.infer<typeof writtenTier>;

export type { TierLimits };
/** Overrides in a contract; null clears one. */
export type LimitOverrides = { [name in keyof TierLimits]?: TierLimits[name] | null | undefined };
export type TierDefinition = Omit<z.infer<typeof tierSchema>, 'monthlyPriceCents'> & {
  /** Under which it is stored, here and at Stripe: the first that it had. People and clients get `publicNameOf`. */
  name: string;
  /** In the catalogue's currency; null: it has no monthly price, or is priced by contract. */
  monthlyPriceCents: number | null;
};
export interface Catalogue {
  currency: string;
  /** The tier of a tenant that never paid. */
  defaultTier: string;
  features: string[];
  /** Features that were removed deliberately, although tenants had them. */
  retiredFeatures: string[];
  /** Resources that are stored and limited, in addition to memories. */
  resources: string[];
  /** For people, by the name of a tier, a feature or a resource. */
  displayNames: Readonly<Record<string, string>>;
  /** The present names of tiers that were renamed, by the name under which they are stored. */
  publicNames: Readonly<Record<string, string>>;
  tiers: TierDefinition[];
}

const LIMIT_NAMES = Object.keys(limitsSchema.shape) as (keyof TierLimits)[];
/** A tier has `monthlyPriceCents`, or `prices` instead. */
const TERM_NAMES = Object.keys(terms.shape).filter((term) => term !== 'prices');

/** @returns the limits that the API has */
export const limitNames = (sampleDomain: boolean): (keyof TierLimits)[] =>
  sampleDomain ? LIMIT_NAMES : LIMIT_NAMES.filter((limit) => !SAMPLE_LIMITS.some((one) => one === limit));

/**
 * Checks a catalogue of tiers (names, prices in cents, limits, features).
 * @param options.sampleDomain whether each tier must set the limits of the sample domain
 * @returns the catalogue, with everything that its tiers inherit
 * @throws an Error whose message lists every error with its path
 */
export function parseCatalogue(json: unknown, { sampleDomain = true } = {}): Catalogue {
  const file = fileSchema.safeParse(json);
  const malformed: CatalogueError[] = file.error?.issues ?? [];
  const errors = [
    ...malformed,
    ...catalogueErrors(json, { terms: TERM_NAMES, limits: limitNames(sampleDomain) }, malformed),
  ];
  if (!file.success || errors.length > 0) throw new Error(errors.map(textOf).join('\n'));
  return catalogueIn(file.data);
}

type CatalogueFile = z.infer<typeof fileSchema>;

function catalogueIn({ $schema: _, ...file }: CatalogueFile): Catalogue {
  const renamed = file.tiers.flatMap(({ name, renamedFrom: [first = name] }) =>
    first === name ? [] : [[name, first] as const],
  );
  const storedNames = new Map(renamed);
  const stored = (name: string) => storedNames.get(name) ?? name;
  const displayNames = Object.entries(file.displayNames).map(([name, text]) => [stored(name), text]);
  return {
    ...file,
    defaultTier: stored(file.defaultTier),
    displayNames: Object.fromEntries(displayNames),
    publicNames: Object.fromEntries(renamed.map(([name, first]) => [first, name])),
    tiers: file.tiers.map((written) => {
      const { name, successor, ...tier } = wholeTier(written, file);
      return { ...tier, name: stored(name), successor: successor && stored(successor) };
    }),
  };
}

function wholeTier(tier: WrittenTier, { tiers, currency }: Omit<CatalogueFile, '$schema'>): TierDefinition {
  const whole = tierSchema.parse(inherited(ancestryOf(tier, tiers)));
  const { monthlyPriceCents = monthlyAmountIn(whole.prices, currency) } = whole;
  return { ...whole, monthlyPriceCents };
}

/** The JSON Schema of a catalogue's file (draft 2020-12). */
export const catalogueJsonSchema = (): object => ({
  title: 'A catalogue of tiers of Continuum Billing',
  ...z.toJSONSchema(fileSchema, { io: 'input' }),
});

/** @returns 16 hexadecimal digits, the same for catalogues that mean the same, in whatever order a file lists its keys */
export const catalogueDigest = (catalogue: Catalogue): string =>
  createHash('sha256').update(JSON.stringify(catalogue, keysInOrder)).digest('hex').slice(0, 16);

const keysInOrder = (_key: string, value: unknown): unknown =>
  value && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** Says why a key is wrong. */
const textOf = ({ path, message, issues = [] }: CatalogueError): string =>
  `${path.join('.') || 'catalogue'}: ${issues.map((issue) => issue.message).join('; ') || message}`;
