import type { Catalogue, TierDefinition, TierLimits } from './catalogue.js';
import { displayNameOf, publicNameOf } from './displayNames.js';
import { cycleName, pricesOf } from './prices.js';
import { finiteLimit } from './unlimited.js';

/** A difference between two catalogues, and whom it concerns. */
export interface CatalogueChange {
  /** For operators: `apiCallsPerDay is 5000 instead of 10000`. */
  text: string;
  /** The name under which a tier is stored whose holders it concerns; null: nobody has anything of it yet. */
  tier: string | null;
  /** The version whose holders it concerns; null: those of every version. */
  version: number | null;
  /** Whether they get less than they have. */
  takes: boolean;
}

/** The parts of a tier that its version guards: those who have the version have them. */
type Terms = Pick<TierDefinition, 'features' | 'limits' | 'limitsPerSeat' | 'settings' | 'version'>;

/**
 * Compares a catalogue with the one before it. What new buyers pay concerns nobody who has bought; what a version grants
 * concerns everybody who has that version.
 */
export function changesOf(before: Catalogue, after: Catalogue): CatalogueChange[] {
  const nameOf = (name: string) => publicNameOf(after, name);
  const former = new Map(before.tiers.map((tier) => [tier.name, tier]));
  const present = new Map(after.tiers.map((tier) => [tier.name, tier]));
  return [
    ...generalChanges(before, after),
    ...before.tiers
      .filter(({ name }) => !present.has(name))
      .map(({ name }) => changed(`${publicNameOf(before, name)} is removed`, name, { takes: true })),
    ...after.tiers.flatMap((tier) => {
      const old = former.get(tier.name);
      if (!old) return [changed(`${nameOf(tier.name)} is new`, null)];
      return [...offerChanges(before, after, old, tier), ...termChanges(nameOf(tier.name), old, tier)];
    }),
  ];
}

const changed = (
  text: string,
  tier: string | null,
  { version = null, takes = false }: { version?: number | null; takes?: boolean } = {},
): CatalogueChange => ({ text, tier, version, takes });

function generalChanges(before: Catalogue, after: Catalogue): CatalogueChange[] {
  const nameIn = (catalogue: Catalogue) => publicNameOf(catalogue, catalogue.defaultTier);
  const lists = [
    ['feature', before.features, after.features],
    ['resource', before.resources, after.resources],
  ] as const;
  return [
    ...differing('The currency', before.currency, after.currency).map((text) => changed(text, null)),
    ...(before.defaultTier === after.defaultTier
      ? []
      : [changed(`The default tier is ${nameIn(after)} instead of ${nameIn(before)}`, before.defaultTier)]),
    ...lists.flatMap(([kind, had, has]) => [
      ...without(has, had).map((one) => changed(`The ${kind} ${one} is new`, null)),
      ...without(had, has).map((one) => changed(`The ${kind} ${one} is removed`, null, { takes: true })),
    ]),
    ...(sameOrder(before, after) ? [] : [changed('The tiers are in another order', null)]),
  ];
}

/** Only the tiers that both have can be in another order. */
function sameOrder(before: Catalogue, after: Catalogue): boolean {
  const names = [before, after].map(({ tiers }) => tiers.map(({ name }) => name));
  const [had = [], has = []] = names;
  return had.filter((one) => has.includes(one)).join() === has.filter((one) => had.includes(one)).join();
}

/** How a tier is presented and sold. */
function offerChanges(
  before: Catalogue,
  after: Catalogue,
  old: TierDefinition,
  tier: TierDefinition,
): CatalogueChange[] {
  const name = publicNameOf(after, tier.name);
  const formerName = publicNameOf(before, tier.name);
  const sold = (catalogue: Catalogue, one: TierDefinition) =>
    Object.fromEntries(
      pricesOf(one, catalogue.currency).map((price) => [cycleName(price), JSON.stringify(price.amounts)]),
    );
  const successor = tier.successor && publicNameOf(after, tier.successor);
  const texts = [
    ...(name === formerName ? [] : [`${formerName} is called ${name}`]),
    ...differing(
      `The display name of ${name}`,
      displayNameOf(before, tier.name),
      displayNameOf(after, tier.name),
    ),
    ...differing(`The description of ${name}`, old.description, tier.description),
    ...(old.hidden === tier.hidden ? [] : [`${name} is ${tier.hidden ? 'hidden' : 'on price lists'}`]),
    ...(old.retired === tier.retired ? [] : [`${name} is ${tier.retired ? 'no longer sold' : 'sold again'}`]),
    ...(tier.successor && old.successor !== tier.successor
      ? [`Subscriptions to ${name} move to ${successor} by \`npx continuum-billing catalogue apply\``]
      : []),
    ...differing(`The way in which ${name} is sold`, old.checkout, tier.checkout),
    ...differingIn(`${name}: the price for new buyers, `, sold(before, old), sold(after, tier)),
    ...differing(`${name}: the price of overage, for everybody,`, old.overage, tier.overage),
  ];
  return texts.map((text) => changed(text, tier.name));
}

/** What those get less of who have a version, and what each version is. */
function termChanges(name: string, old: TierDefinition, tier: TierDefinition): CatalogueChange[] {
  const versions = ({ former, ...present }: TierDefinition) =>
    new Map<number, Terms>([present, ...former].map((one) => [one.version, one]));
  const had = versions(old);
  const has = versions(tier);
  return [
    ...(tier.version === old.version
      ? []
      : [changed(`${name}: new buyers get version ${tier.version}`, tier.name, { version: tier.version })]),
    ...[...had].flatMap(([version, terms]) => {
      const now = has.get(version);
      if (!now)
        return [changed(`${name}: version ${version} is removed`, tier.name, { version, takes: true })];
      return versionChanges(terms, now).map(({ text, takes }) =>
        changed(`${name}, version ${version}: ${text}`, tier.name, { version, takes }),
      );
    }),
  ];
}

function versionChanges(before: Terms, after: Terms): { text: string; takes: boolean }[] {
  const limits = flatLimits(before.limits);
  const now = flatLimits(after.limits);
  return [
    ...without(before.features, after.features).map((one) => ({ text: `${one} is taken away`, takes: true })),
    ...without(after.features, before.features).map((one) => ({ text: `${one} is added`, takes: false })),
    ...Object.keys({ ...limits, ...now }).flatMap((limit) => {
      const [was = 0, is = 0] = [limits[limit], now[limit]];
      if (was === is) return [];
      return [
        { text: `${limit} is ${limitText(limit, is)} instead of ${limitText(limit, was)}`, takes: is < was },
      ];
    }),
    ...without(before.limitsPerSeat, after.limitsPerSeat).map((one) => ({
      text: `${one} is for all seats together`,
      takes: true,
    })),
    ...without(after.limitsPerSeat, before.limitsPerSeat).map((one) => ({
      text: `${one} is for each seat`,
      takes: false,
    })),
    ...differingIn('the setting ', before.settings, after.settings).map((text) => ({ text, takes: false })),
  ];
}

const flatLimits = ({ stored, ...limits }: TierLimits): Record<string, number> => ({ ...limits, ...stored });

const limitText = (name: string, limit: number): string => String(finiteLimit(name, limit) ?? 'unlimited');

const without = (all: readonly string[], others: readonly string[]): string[] =>
  all.filter((one) => !others.includes(one));

const shown = (value: unknown): string => {
  if (value === undefined || value === null || value === '') return 'none';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
};

const differing = (what: string, before: unknown, after: unknown): string[] =>
  shown(before) === shown(after) ? [] : [`${what} is ${shown(after)} instead of ${shown(before)}`];

const differingIn = (
  what: string,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): string[] =>
  Object.keys({ ...before, ...after }).flatMap((key) => differing(`${what}${key}`, before[key], after[key]));
