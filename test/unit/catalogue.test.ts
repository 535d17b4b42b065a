import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import builtIn from '../../catalogue.json' with { type: 'json' };
import { type Catalogue, parseCatalogue } from '../../src/catalogue/catalogue.js';
import { cycleText, priceKey } from '../../src/catalogue/prices.js';
import { limitsFor } from '../../src/catalogue/seatLimits.js';
import { createTiers } from '../../src/services/tiers/tiers.js';

import { pricedCatalogue } from '../support/teamCatalogue.js';

const MB = 1_048_576;
const NAMES = ['FREE', 'PRO', 'ENTERPRISE'] as const;

/** The reference's table, one row a line: FREE, PRO, ENTERPRISE. */
const LIMITS = {
  apiCallsPerDay: [100, 10_000, 1_000_000],
  apiCallsPerMinute: [10, 100, 1_000],
  concurrentRequests: [2, 10, 100],
  maxMemories: [1_000, 100_000, 10_000_000],
  maxEmbeddings: [1_000, 100_000, 10_000_000],
  maxStorageBytes: [100 * MB, 10_000 * MB, 1_000_000 * MB],
  maxExtractionBatchSize: [10, 100, 1_000],
  federationPriority: [0, 1, 3],
} as const;

const TERMS = {
  monthlyPriceCents: [0, 2_900, null],
  features: [
    ['SEMANTIC_SEARCH'],
    ['FEDERATION', 'REALTIME_SYNC', 'SEMANTIC_SEARCH'],
    ['FEDERATION', 'REALTIME_SYNC', 'SEMANTIC_SEARCH'],
  ],
  overage: [null, { priceCents: 10, perCalls: 1_000 }, null],
  support: ['community', 'e-mail, 24 h, 99 %', 'priority, 1 h, 99.9 %'],
  checkout: ['NONE', 'SELF_SERVICE', 'CONTACT_SALES'],
} as const;

function faultsIn(json: unknown): string[] {
  try {
    parseCatalogue(json);
    return [];
  } catch (error) {
    return (error as Error).message.split('\n');
  }
}

const PRICES = { FREE: 'price_f', PRO: 'price_p' };
const catalogue = parseCatalogue(builtIn);
const tiers = createTiers(catalogue, PRICES, {});

describe.each(NAMES.map((name, column) => ({ name, column })))('the tier $name', ({ name, column }) => {
  it.each(Object.entries(LIMITS))('has the reference’s %s', (limit, row) => {
    expect(tiers.getTierLimits(name)).toHaveProperty(limit, row[column]);
  });

  it.each(Object.entries(TERMS))('has the reference’s %s', (term, row) => {
    expect(tiers.get(name)).toHaveProperty(term, row[column]);
  });
});

describe('the catalogue', () => {
  it('has exactly the reference’s tiers and limits, cheapest first, in US dollars', () => {
    expect(tiers.all().map(({ name }) => name)).toEqual(NAMES);
    for (const { limits } of tiers.all())
      expect(Object.keys(limits).sort()).toEqual([...Object.keys(LIMITS), 'stored'].sort());
    expect(catalogue.currency).toBe('usd');
    expect(tiers.defaultTier.name).toBe('FREE');
  });

  it('counts storage in whole megabytes of 1,048,576 bytes, past what an Int holds', () => {
    expect(NAMES.map((name) => tiers.getTierLimits(name).maxStorageBytes)).toEqual([
      104_857_600, 10_485_760_000, 1_048_576_000_000,
    ]);
  });
});

describe('the lookup', () => {
  it('finds the tier of a price and the price of a tier', () => {
    for (const [name, priceId] of Object.entries(PRICES)) {
      expect(tiers.getStripePriceId(name)).toBe(priceId);
      expect(tiers.getTierFromPriceId(priceId)?.name).toBe(name);
    }
  });

  it('answers null for a tier without a price and for a price that is none of ours', () => {
    expect(tiers.getStripePriceId('ENTERPRISE')).toBeNull();
    expect(tiers.getTierFromPriceId('price_of_another_product')).toBeNull();
    expect(tiers.getTierFromPriceId('')).toBeNull();
  });

  it.each(['free', 'GOLD', '', 'constructor', '__proto__'])('knows no tier "%s"', (name) => {
    expect(tiers.has(name)).toBe(false);
    expect(() => tiers.get(name)).toThrow(`no tier ${name}`);
    expect(() => tiers.getTierLimits(name)).toThrow(`no tier ${name}`);
    expect(tiers.getStripePriceId(name)).toBeNull();
  });
});

describe('a faulty catalogue', () => {
  /** A copy of the good one, spoiled. */
  function faultsOf(spoil: (catalogue: Catalogue & { tiers: [Tier, Tier, Tier] }) => void): string[] {
    // As it is written, which is a part of what it means.
    const copy = structuredClone(builtIn) as unknown as Catalogue & { tiers: [Tier, Tier, Tier] };
    spoil(copy);
    return faultsIn(copy);
  }
  type Tier = Catalogue['tiers'][number];

  it.each<[string, Parameters<typeof faultsOf>[0], string]>([
    ['a negative limit', ({ tiers: [t] }) => (t.limits.maxMemories = -1), 'tiers.0.limits.maxMemories'],
    ['a fraction', ({ tiers: [, t] }) => (t.limits.apiCallsPerDay = 1.5), 'tiers.1.limits.apiCallsPerDay'],
    [
      'a count past 2^53',
      ({ tiers: [, , t] }) => (t.limits.maxStorageBytes = 2 ** 53),
      'tiers.2.limits.maxStorageBytes',
    ],
    [
      'an Int past 2^31',
      ({ tiers: [t] }) => (t.limits.concurrentRequests = 2 ** 31),
      'tiers.0.limits.concurrentRequests',
    ],
    [
      'a limit that is missing',
      ({ tiers: [t] }) => Reflect.deleteProperty(t.limits, 'apiCallsPerMinute'),
      'tiers.0.limits.apiCallsPerMinute',
    ],
    ['a limit nobody knows', ({ tiers: [t] }) => Object.assign(t.limits, { maxCalls: 1 }), 'tiers.0.limits'],
    ['a word nobody knows', (c) => Object.assign(c, { tier: [] }), 'catalogue'],
    ['a lower-case name', ({ tiers: [, t] }) => (t.name = 'pro'), 'tiers.1.name'],
    ['a tier twice', ({ tiers: [, t] }) => (t.name = 'FREE'), 'tiers.1.name'],
    ['a default tier that is not there', (c) => (c.defaultTier = 'BASIC'), 'defaultTier'],
    ['a feature that is not listed', ({ tiers: [t] }) => t.features.push('TELEPATHY'), 'tiers.0.features'],
    [
      'a feature that is retired and sold',
      (c) => (c.retiredFeatures = ['FEDERATION', 'TELEPATHY']),
      'retiredFeatures: FEDERATION',
    ],
    [
      'a display name of nothing',
      (c) => Object.assign(c, { displayNames: { TELEPATHY: 'Telepathy' } }),
      'displayNames.TELEPATHY',
    ],
    [
      'a display name that is empty',
      (c) => Object.assign(c, { displayNames: { PRO: ' ' } }),
      'displayNames.PRO',
    ],
    ['a feature that no tier has', (c) => c.features.push('TELEPATHY'), 'features'],
    [
      'a tier sold by checkout without a price',
      ({ tiers: [, t] }) => (t.monthlyPriceCents = null),
      'tiers.1.monthlyPriceCents',
    ],
    ['a free overage', ({ tiers: [, t] }) => (t.overage = { priceCents: 0, perCalls: 1 }), 'tiers.1.overage'],
    [
      'overage at a price without an end',
      ({ tiers: [, t] }) => (t.overage = { priceCents: 10, perCalls: 3 }),
      'tiers.1.overage',
    ],
    [
      'overage of a tier that has no subscription',
      ({ tiers: [t] }) => (t.overage = { priceCents: 1, perCalls: 1 }),
      'tiers.0.overage',
    ],
    [
      'a name whose price variable is that of an overage',
      ({ tiers: [, , t] }) => (t.name = 'PRO_OVERAGE'),
      'tiers.1.name',
    ],
    ['no tier at all', (c) => c.tiers.splice(0), 'tiers'],
  ])('is rejected for %s, with its place', (_, spoil, place) => {
    const faults = faultsOf(spoil);
    expect(faults.some((fault) => fault.startsWith(place))).toBe(true);
  });

  it('is rejected with all its errors at once', () => {
    const faults = faultsOf((c) => {
      c.currency = 'dollars';
      c.tiers[0].limits.maxMemories = -1;
      c.tiers[2].limits.maxEmbeddings = 0.5;
    });
    expect(faults).toEqual([
      expect.stringMatching(/^currency: /),
      expect.stringMatching(/^tiers\.0\.limits\.maxMemories: /),
      expect.stringMatching(/^tiers\.2\.limits\.maxEmbeddings: /),
    ]);
  });

  it('is rejected with errors of form, of inheritance and of what does not fit together at once', () => {
    const { tiers, ...rest } = structuredClone(builtIn);
    const [free, pro, enterprise] = tiers as [object, object, object];
    const faulty = {
      ...rest,
      defaultTier: 'NOBODY',
      features: [...rest.features, 'TELEPATHY'],
      resources: ['lamps', 7],
      tiers: [
        { ...free, name: 'FREE', extends: 'PRO', limits: { apiCallsPerDay: 'many', stored: { lamps: 1 } } },
        { ...pro, extends: 'FREE' },
        { ...enterprise, overage: 'none', former: [{ version: 1, features: ['FLIGHT'], stripePriceIds: 5 }] },
        { name: 'TEAM', limits: 9 },
        'MORE',
      ],
    };
    const faults = [
      'resources.1: Invalid input: expected string, received number',
      'tiers.0.limits.apiCallsPerDay: Invalid input: expected number, received string',
      'tiers.2.overage: Invalid input: expected object, received string',
      'tiers.2.former.0.monthlyPriceCents: Invalid input: expected number, received undefined',
      'tiers.2.former.0.limits: Invalid input: expected object, received undefined',
      'tiers.2.former.0.stripePriceIds: Invalid input: expected array, received number',
      'tiers.3.limits: Invalid input: expected object, received number',
      'tiers.4: Invalid input: expected object, received string',
      'tiers.0.extends: is a loop: FREE, PRO, FREE',
      'tiers.1.extends: is a loop: PRO, FREE, PRO',
      ...['monthlyPriceCents', 'checkout', 'features', 'overage', 'support'].map(
        (term) => `tiers.3.${term}: is missing`,
      ),
      'defaultTier: names no tier of this catalogue',
      'tiers.2.limits.stored.lamps: is missing',
      "tiers.2.former.0.version: must be below 1, the tier's own",
      'tiers.2.former.0.features: unknown feature FLIGHT',
      'features: no tier has the feature TELEPATHY',
    ];
    expect(faultsIn(faulty)).toEqual(faults);
  });

  it.each([[null], [[]], ['text'], [{}]])('is rejected when it is %j', (nothing) => {
    expect(() => parseCatalogue(nothing)).toThrow();
  });
});

describe('a tier that extends another', () => {
  const extending = (...more: object[]) => ({
    ...builtIn,
    tiers: [...builtIn.tiers, ...more],
  });

  it('takes over what it does not say, limit by limit, over several tiers', () => {
    const { tiers } = parseCatalogue(
      extending(
        { name: 'TEAM', extends: 'PRO', monthlyPriceCents: 9_900, limits: { apiCallsPerDay: 50_000 } },
        { name: 'CLUB', extends: 'TEAM', trialDays: 7, overage: null },
      ),
    );
    const of = (name: string) => tiers.find((tier) => tier.name === name);
    const pro = of('PRO');
    expect(of('TEAM')).toEqual({
      ...pro,
      name: 'TEAM',
      monthlyPriceCents: 9_900,
      limits: { ...pro?.limits, apiCallsPerDay: 50_000 },
    });
    expect(of('CLUB')).toEqual({ ...of('TEAM'), name: 'CLUB', trialDays: 7, overage: null });
  });

  it('is rejected in a loop, from nowhere and with a hole: all of it reported at once', () => {
    const faults = faultsIn(
      extending(
        { name: 'HEN', extends: 'EGG' },
        { name: 'EGG', extends: 'HEN' },
        { name: 'ORPHAN', extends: 'NOBODY' },
        { name: 'BARE', features: [], limits: { apiCallsPerDay: 5 } },
      ),
    );
    expect(faults.slice(0, 3)).toEqual([
      'tiers.3.extends: is a loop: HEN, EGG, HEN',
      'tiers.4.extends: is a loop: EGG, HEN, EGG',
      'tiers.5.extends: names NOBODY, which is no tier of this catalogue',
    ]);
    expect(faults).toContain('tiers.6.limits.maxMemories: is missing');
    expect(faults).toContain('tiers.6.overage: is missing');
  });

  it('leaves no resource unsaid, and says none that is not stored', () => {
    const storing = (stored: object) => ({
      ...builtIn,
      resources: ['lamps', 'seats'],
      tiers: builtIn.tiers.map((tier, i) =>
        i === 0 ? { ...tier, limits: { ...tier.limits, stored } } : { name: tier.name, extends: 'FREE' },
      ),
    });
    expect(faultsIn(storing({ lamps: 5, suns: 1 }))).toEqual(
      expect.arrayContaining([
        'tiers.0.limits.stored.seats: is missing',
        'tiers.0.limits.stored.suns: is none of the resources',
      ]),
    );
    const odd = { ...storing({}), resources: ['bytes', 'Lamps', 'constructor'] };
    expect(faultsIn(odd).slice(0, 3)).toEqual([
      'resources.0: is a name that is taken',
      'resources.1: must be a name such as products',
      'resources.2: is a name that is taken',
    ]);
  });
});

describe('catalogue.schema.json', () => {
  const committed = JSON.parse(readFileSync('catalogue.schema.json', 'utf8'));
  const validate = new Ajv2020({ strict: true }).compile(committed);

  it('takes the built-in catalogue, and one that extends', () => {
    expect(validate(builtIn), JSON.stringify(validate.errors)).toBe(true);
    const tiers = [...builtIn.tiers, { name: 'TEAM', extends: 'PRO', limits: { apiCallsPerDay: 5 } }];
    expect(validate({ ...builtIn, tiers }), JSON.stringify(validate.errors)).toBe(true);
  });

  it.each([
    ['a word nobody knows', { ...builtIn, tier: [] }],
    ['a negative limit', { ...builtIn, tiers: [{ name: 'FREE', limits: { apiCallsPerDay: -1 } }] }],
    ['a lower-case name', { ...builtIn, defaultTier: 'free' }],
    ['no tiers', { ...builtIn, tiers: [] }],
  ])('rejects %s', (_, catalogue) => {
    expect(validate(catalogue)).toBe(false);
  });

  it('says of each field what it is', () => {
    const { properties } = committed.properties.tiers.items;
    for (const [field, schema] of Object.entries(properties as Record<string, { description?: string }>))
      expect(schema.description, field).toBeTruthy();
    for (const [limit, schema] of Object.entries(properties.limits.properties as Record<string, object>))
      expect(schema, limit).toHaveProperty('description');
  });
});

describe('versions of a tier', () => {
  const [free, pro, enterprise] = builtIn.tiers;
  const former = {
    version: 1,
    monthlyPriceCents: 1_900,
    features: [],
    limits: pro?.limits,
  };
  const versioned = (...formers: object[]) => ({
    ...builtIn,
    tiers: [free, { ...pro, version: 3, former: formers }, enterprise],
  });
  const tiersOf = (...formers: object[]) => createTiers(parseCatalogue(versioned(...formers)), PRICES, {});

  it('are what they were; one that is lost is the present one', () => {
    const tiersNow = tiersOf(former);
    expect(tiersNow.get('PRO')).toMatchObject({ version: 3, monthlyPriceCents: 2_900 });
    expect(tiersNow.get('PRO', 1)).toMatchObject({ version: 1, monthlyPriceCents: 1_900, features: [] });
    expect(tiersNow.get('PRO', 2)).toMatchObject({ version: 3, monthlyPriceCents: 2_900 });
  });

  it('are recognised by a price of their own, by the metadata at Stripe, and by what was known', () => {
    const shared = tiersOf(former);
    const own = tiersOf({ ...former, stripePriceIds: ['price_old'] });
    const bought = { priceId: 'price_p', noted: null, known: null };
    expect(own.getTierFromPriceId('price_old')).toMatchObject({ name: 'PRO', version: 1 });
    expect(own.versionOf('PRO', { ...bought, priceId: 'price_old' })).toBe(1);
    expect(own.versionOf('PRO', { ...bought, noted: 1 }), 'it moved to the present price').toBe(3);
    expect(shared.versionOf('PRO', bought)).toBe(3);
    expect(shared.versionOf('PRO', { ...bought, noted: 1, known: 3 })).toBe(1);
    expect(shared.versionOf('PRO', { ...bought, known: 1 })).toBe(1);
  });

  it('share a price that outlived one of them, and are at any price of a contract', () => {
    const second = { ...former, version: 2, stripePriceIds: ['price_old'] };
    const tiersNow = tiersOf(former, second);
    const bought = { priceId: 'price_old', noted: null, known: null };
    expect(tiersNow.versionOf('PRO', bought)).toBe(2);
    expect(tiersNow.versionOf('PRO', { ...bought, noted: 1 })).toBe(1);
    expect(tiersNow.versionOf('PRO', { ...bought, noted: 9 }), 'the price tells').toBe(2);
    expect(tiersNow.versionOf('PRO', { ...bought, priceId: 'price_p', noted: 1 }), 'it moved').toBe(3);
    expect(tiersNow.versionOf('PRO', { ...bought, priceId: 'price_p', noted: 9 }), 'kept').toBe(9);
    expect(tiersNow.versionOf('PRO', { ...bought, priceId: 'price_agreed', noted: 2 })).toBe(2);
    expect(tiersNow.getTierFromPriceId('price_old')).toMatchObject({ name: 'PRO', version: 2 });
  });

  it('may have a feature that new buyers of no tier get', () => {
    const had = { ...former, features: ['TELEPATHY'] };
    const { features } = versioned();
    const parsed = parseCatalogue({ ...versioned(had), features: [...features, 'TELEPATHY'] });
    expect(createTiers(parsed, PRICES, {}).get('PRO', 1).features).toEqual(['TELEPATHY']);
  });

  it('of two tiers cannot have one price', () => {
    const priced = { ...former, stripePriceIds: ['price_old'] };
    const { tiers: written, ...rest } = versioned(priced);
    const third = { ...enterprise, version: 2, former: [priced] };
    expect(() => parseCatalogue({ ...rest, tiers: [...written.slice(0, 2), third] })).toThrow(
      'tiers.1.former.0.stripePriceIds: price_old is a price of another tier',
    );
  });

  it.each([
    ['not below the present one', { ...former, version: 3 }, 'tiers.1.former.0.version: must be below 3'],
    [
      'with a feature nobody knows',
      { ...former, features: ['TELEPATHY'] },
      'tiers.1.former.0.features: unknown',
    ],
    ['with a hole', { ...former, limits: {} }, 'tiers.1.former.0.limits.apiCallsPerDay'],
  ])('are rejected %s', (_, one, fault) => {
    expect(() => parseCatalogue(versioned(one))).toThrow(fault);
  });
});

describe('prices', () => {
  type Written = { currency: string; tiers: Record<string, unknown>[] };
  const faultsOf = (pro: object) => faultsIn(pricedCatalogue({ pro }));
  const monthly = (amounts: object, more: object = {}) => ({ interval: 'month', amounts, ...more });

  it('are several of a tier; the monthly one in the currency of the catalogue is the one it always had', () => {
    const parsed = parseCatalogue(pricedCatalogue());
    const [, pro, team] = parsed.tiers;
    expect(pro).toMatchObject({ monthlyPriceCents: 2_900 });
    expect(team).toMatchObject({ monthlyPriceCents: 1_200, limits: pro?.limits, overage: pro?.overage });
    expect(team?.prices.map((price) => [cycleText(price), price.perSeat])).toEqual([
      ['a month', true],
      ['every 3 months', true],
      ['a year', true],
    ]);
    const { publicNames: _, ...file } = parsed;
    expect(parseCatalogue(structuredClone(file)), 'what was parsed is a catalogue').toEqual(parsed);
    const year = pro?.prices[1];
    expect(year && priceKey('PRO', year, 'eur')).toBe('pro_yearly_eur');
  });

  it('replace a monthly price that would be inherited, and are replaced by one', () => {
    const written = pricedCatalogue() as Written;
    const tiers = [
      ...written.tiers,
      { name: 'SOLO', extends: 'PRO', monthlyPriceCents: 900, overage: null },
      { name: 'YEAR', extends: 'SOLO', prices: [{ interval: 'year', amounts: { usd: 9_000 } }] },
    ];
    const parsed = parseCatalogue({ ...written, tiers });
    const solo = parsed.tiers[4];
    expect(solo).toMatchObject({ monthlyPriceCents: 900, prices: [] });
    expect(parsed.tiers[5]).toMatchObject({ monthlyPriceCents: null, prices: [{ interval: 'year' }] });
    expect(solo && createTiers(parsed, {}, null).pricesOf(solo)).toEqual([
      { interval: 'month', intervalCount: 1, perSeat: false, amounts: { usd: 900 } },
    ]);
  });

  it('are found by their Stripe prices, and calls cost what they cost in the currency', () => {
    const ids = { PRO: 'price_p', PRO_YEARLY: 'price_py', TEAM: 'price_t', TEAM_3_MONTHS: 'price_t3' };
    const priced = createTiers(parseCatalogue(pricedCatalogue()), ids, null);
    expect(priced.getTierFromPriceId('price_py')?.name).toBe('PRO');
    expect(priced.getPriceFromPriceId('price_py')).toMatchObject({ interval: 'year', intervalCount: 1 });
    expect(priced.getStripePriceId('PRO', { interval: 'year', intervalCount: 1 })).toBe('price_py');
    expect(priced.getStripePriceId('TEAM', { interval: 'month', intervalCount: 3 })).toBe('price_t3');
    expect(priced.getStripePriceId('TEAM', { interval: 'year', intervalCount: 1 })).toBeNull();
    expect(priced.getStripePriceIds('PRO')).toEqual(['price_p', 'price_py']);
    expect(priced.getOverage('PRO')).toEqual({ priceCents: 10, perCalls: 1_000 });
    expect(priced.getOverage('PRO', 'eur')).toEqual({ priceCents: 9, perCalls: 1_000 });
    expect(priced.getOverage('PRO', 'gbp')).toBeNull();
  });

  it.each<[string, object, string]>([
    [
      'without the catalogue’s currency',
      { prices: [monthly({ eur: 5 })] },
      'prices.0.amounts.usd: is missing',
    ],
    ['for nothing', { prices: [monthly({ usd: 0 })] }, 'prices.0.amounts.usd'],
    ['in a currency of four letters', { prices: [monthly({ usd: 5, euro: 5 })] }, 'prices.0.amounts.euro'],
    ['past what Stripe charges', { prices: [monthly({ usd: 100_000_000 })] }, 'prices.0.amounts.usd'],
    [
      'twice at one interval',
      { prices: [monthly({ usd: 5 }, { intervalCount: 12 }), { interval: 'year', amounts: { usd: 6 } }] },
      'prices.1.interval: is paid as often as another',
    ],
    [
      'paid too rarely',
      { prices: [{ interval: 'year', intervalCount: 4, amounts: { usd: 5 } }] },
      'intervalCount',
    ],
    [
      'by the seat beside a flat one',
      { prices: [monthly({ usd: 5 }), { interval: 'year', perSeat: true, amounts: { usd: 6 } }] },
      'prices.1.perSeat: must be the same',
    ],
    [
      'that contradict the monthly price',
      { monthlyPriceCents: 1 },
      'monthlyPriceCents: is 1, and prices say 2900',
    ],
    [
      'in a currency in which calls are not',
      { overage: { priceCents: 10, perCalls: 1_000 } },
      'tiers.1.overage.amounts.eur: is missing',
    ],
    [
      'of calls with too many decimals',
      { overage: { priceCents: 9, perCalls: 9, amounts: { eur: 1 } } },
      'tiers.1.overage: priceCents divided by perCalls',
    ],
    [
      'in thousandths that cannot be charged',
      {
        prices: [monthly({ usd: 5, kwd: 2_905 })],
        overage: { priceCents: 10, perCalls: 1_000, amounts: { kwd: 9 } },
      },
      'tiers.1.prices.0.amounts.kwd: must be a multiple of 10, because Stripe charges no less of KWD',
    ],
    [
      'in a fraction of a currency without one',
      { prices: [monthly({ usd: 5, isk: 150 })], overage: null },
      'amounts.isk: must be a multiple of 100',
    ],
    ['of a tier that is not sold', { checkout: 'NONE', overage: null }, 'prices: a tier that is not sold'],
  ])('are rejected %s', (_, pro, fault) => {
    expect(faultsOf(pro).join('\n')).toContain(fault);
  });

  it('are in the unit in which Stripe counts the currency, a monthly price alone too', () => {
    const faults = (currency: string, monthlyPriceCents: number) => {
      const { tiers, ...rest } = builtIn;
      return faultsIn({
        ...rest,
        currency,
        tiers: tiers.map((tier) => (tier.name === 'PRO' ? { ...tier, monthlyPriceCents } : tier)),
      });
    };
    expect(faults('jpy', 2_905)).toEqual([]);
    expect(faults('kwd', 2_900)).toEqual([]);
    expect(faults('huf', 2_905)).toEqual([]);
    expect(faults('bhd', 2_905)).toEqual([
      expect.stringMatching(/^tiers\.1\.monthlyPriceCents: must be a multiple of 10/),
    ]);
    expect(faults('ugx', 2_950)).toEqual([expect.stringContaining('must be a multiple of 100')]);
  });

  it('by the seat may have limits for each seat, and others may not', () => {
    const team = { limitsPerSeat: ['apiCallsPerDay'] };
    const parsed = parseCatalogue(pricedCatalogue({ team }));
    const limits = (seats: number) => parsed.tiers[2] && limitsFor(parsed.tiers[2], seats);
    expect(limits(1)).toMatchObject({ apiCallsPerDay: 10_000, maxMemories: 100_000 });
    expect(limits(7)).toMatchObject({ apiCallsPerDay: 70_000, maxMemories: 100_000 });
    expect(faultsOf({ limitsPerSeat: ['apiCallsPerDay'] })).toContain(
      'tiers.1.limitsPerSeat: the tier is not sold by the seat',
    );
    expect(faultsIn(pricedCatalogue({ team: { limitsPerSeat: ['federationPriority'] } }))).toEqual([
      'tiers.2.limitsPerSeat: federationPriority is no limit that may be for each seat',
    ]);
  });

  it('of two tiers cannot have one variable', () => {
    const written = pricedCatalogue() as Written;
    const tiers = [
      ...written.tiers,
      { name: 'PRO_YEARLY', extends: 'PRO', monthlyPriceCents: 900, overage: null },
    ];
    expect(faultsIn({ ...written, tiers })).toEqual([
      'tiers.1.name: STRIPE_PRICE_PRO_YEARLY would be the price of two things',
    ]);
  });
});
