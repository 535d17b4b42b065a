import type { Logger } from 'pino';
import { type Catalogue, catalogueDigest } from '../../catalogue/catalogue.js';
import type { Clock } from '../../common/clock.js';
import { NOT_ENDED } from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';

/** Keeps a server from serving with a catalogue that lacks what tenants have. */
export interface CatalogueGuard {
  /**
   * Costs a few index lookups, however many tenants there are.
   * @throws Error that lists the tiers, versions and features that tenants have and the catalogue lacks
   */
  check(): Promise<void>;
  /** Stores the catalogue, from which later starts know which versions and features were removed. */
  record(): Promise<void>;
}

interface RecordedVersion {
  tier: string;
  version: number;
  /** Whether new buyers and contracts of `setTenantLimits` get it. */
  isCurrent: boolean;
  features: string[];
}

/** The catalogue of the server that started last. */
interface RecordedCatalogue {
  _id: 'catalogue';
  digest: string;
  versions: RecordedVersion[];
  at: Date;
}

/** How many tenants have something, by the document that says so. */
interface Holders {
  subscriptions?: number;
  scheduledChanges?: number;
  contracts?: number;
}

/** Counting stops here: the operator learns that there are many. */
const MAX_COUNTED = 100_000;
const MAX_LISTED = 20;
/** The filter of the partial indexes, which lets MongoDB skip from one tier to the next. */
const ANY_TIER = { $gt: '' };

const ADVICE =
  'Put them back into the catalogue. A tier that is no longer sold stays in it, with "checkout": "CONTACT_SALES". ' +
  'To rename or remove a tier, add the new one beside it and move its tenants first (changeTier, setTenantLimits). ' +
  'A version belongs into the "former" of its tier. A feature that tenants shall lose is listed in "retiredFeatures".';

export function createCatalogueGuard(deps: {
  models: Models;
  clock: Clock;
  catalogue: Catalogue;
  log: Logger;
}): CatalogueGuard {
  const { models, clock, catalogue, log } = deps;
  const settings = models.connection.collection<RecordedCatalogue>('settings');
  const subscriptions = models.billingSubscriptions.collection;
  const tenants = models.tenants.collection;
  const tierNames = new Set(catalogue.tiers.map(({ name }) => name));

  const subscriptionsOf = (filter: object) =>
    subscriptions.countDocuments({ ...filter, status: { $in: [...NOT_ENDED] } }, { limit: MAX_COUNTED });
  /** Overrides that have ended give nothing. */
  async function contractsOf(tier: string): Promise<number> {
    const ended = { 'contract.until': { $lte: new Date(clock.now()) } };
    const [all, over] = await Promise.all(
      [{}, ended].map((filter) =>
        tenants.countDocuments({ 'contract.tier': tier, ...filter }, { limit: MAX_COUNTED }),
      ),
    );
    return (all ?? 0) - (over ?? 0);
  }

  /** @returns one line for each tier */
  async function lackingTiers(): Promise<string[]> {
    const names = await Promise.all([
      subscriptions.distinct('tier'),
      subscriptions.distinct('scheduledTier', { scheduledTier: ANY_TIER }),
      tenants.distinct('contract.tier', { 'contract.tier': ANY_TIER }),
    ]);
    const lacking = [...new Set<string>(names.flat())].filter((name) => !tierNames.has(name)).sort();
    return linesOf(lacking, async (tier) => {
      const [subscriptions, scheduledChanges, contracts] = await Promise.all([
        subscriptionsOf({ tier }),
        subscriptionsOf({ scheduledTier: tier }),
        contractsOf(tier),
      ]);
      return [`tier ${tier}`, { subscriptions, scheduledChanges, contracts }];
    });
  }

  /** Versions that no recorded catalogue had come from Stripe's metadata, which must not stop a start: they are logged. */
  async function lackingVersions(recorded: readonly RecordedVersion[]): Promise<string[]> {
    const lacking = await Promise.all(
      catalogue.tiers.map(async ({ name: tier, version, former }) => {
        const known = new Set([version, ...former.map((one) => one.version)]);
        const held: number[] = await subscriptions.distinct('tierVersion', { tier });
        return held.filter((one) => !known.has(one)).map((one) => ({ tier, version: one }));
      }),
    );
    return linesOf(lacking.flat(), async ({ tier, version }) => {
      const subscriptions = await subscriptionsOf({ tier, tierVersion: version });
      const wasSold = recorded.some((one) => one.tier === tier && one.version === version);
      if (!wasSold && subscriptions > 0) {
        // They get the tier's present version.
        log.warn({ tier, version, subscriptions }, 'tiers.version_missing');
      }
      return [`version ${version} of ${tier}`, wasSold ? { subscriptions } : {}];
    });
  }

  async function lackingFeatures(recorded: readonly RecordedVersion[]): Promise<string[]> {
    const allowed = new Set([...catalogue.features, ...catalogue.retiredFeatures]);
    const removed = new Set(recorded.flatMap(({ features }) => features).filter((one) => !allowed.has(one)));
    return linesOf([...removed].sort(), async (feature) => {
      const versions = recorded.filter(({ features }) => features.includes(feature));
      const [subscriptions, contracts] = await Promise.all([
        sumOf(versions, ({ tier, version }) => subscriptionsOf({ tier, tierVersion: version })),
        sumOf(versions, ({ tier, isCurrent }) => (isCurrent ? contractsOf(tier) : 0)),
      ]);
      return [`feature ${feature}`, { subscriptions, contracts }];
    });
  }

  return {
    async check() {
      const { versions = [] } = (await settings.findOne({ _id: 'catalogue' })) ?? {};
      const lacking = [
        ...(await lackingTiers()),
        ...(await lackingVersions(versions)),
        ...(await lackingFeatures(versions)),
      ];
      if (lacking.length === 0) return;
      const listed = lacking.slice(0, MAX_LISTED);
      if (lacking.length > MAX_LISTED) listed.push(`and ${lacking.length - MAX_LISTED} more`);
      throw new Error(
        `The catalogue lacks what tenants have:\n${listed.map((one) => `  - ${one}`).join('\n')}\n${ADVICE}`,
      );
    },
    async record() {
      const digest = catalogueDigest(catalogue);
      const before = await settings.findOneAndUpdate(
        { _id: 'catalogue' },
        { $set: { digest, versions: versionsIn(catalogue) }, $currentDate: { at: true } },
        { upsert: true, projection: { digest: 1 } },
      );
      if (before && before.digest !== digest) {
        log.info({ before: before.digest, now: digest }, 'catalogue.changed');
      }
    },
  };
}

/** Describes each item that at least one tenant has. */
async function linesOf<T>(
  items: readonly T[],
  describe: (item: T) => Promise<[what: string, holders: Holders]>,
): Promise<string[]> {
  const described = await Promise.all(items.map(describe));
  return described.flatMap(([what, { subscriptions = 0, scheduledChanges = 0, contracts = 0 }]) => {
    const holders = [
      ...countsIn(subscriptions, 'by subscription'),
      ...countsIn(scheduledChanges, 'by a scheduled change'),
      ...countsIn(contracts, 'by contract'),
    ];
    return holders.length > 0 ? [`${what}: ${holders.join(', ')}`] : [];
  });
}

function countsIn(count: number, how: string): string[] {
  if (count === 0) return [];
  const least = count >= MAX_COUNTED ? 'at least ' : '';
  return [`${least}${count} tenant${count === 1 ? '' : 's'} ${how}`];
}

async function sumOf<T>(items: readonly T[], count: (item: T) => number | Promise<number>): Promise<number> {
  const counts = await Promise.all(items.map(count));
  return counts.reduce((sum, one) => sum + one, 0);
}

const versionsIn = ({ tiers }: Catalogue): RecordedVersion[] =>
  tiers.flatMap(({ name: tier, version, features, former }) => [
    { tier, version, isCurrent: true, features },
    ...former.map((one) => ({ tier, version: one.version, isCurrent: false, features: one.features })),
  ]);
