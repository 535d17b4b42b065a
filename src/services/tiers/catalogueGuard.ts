import type { Logger } from 'pino';
import { type Catalogue, catalogueDigest } from '../../catalogue/catalogue.js';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import { createTierHolders, type Holders, holdersText } from './tierHolders.js';

/** Keeps a server from serving with a catalogue that lacks what tenants have. */
export interface CatalogueGuard {
  /**
   * Costs a few index lookups, however many tenants there are.
   * @throws Error that lists the tiers, versions and features that tenants have and the catalogue lacks
   */
  check(): Promise<void>;
  /** Stores the catalogue, from which later starts know what was removed. */
  record(): Promise<void>;
  /** @returns the catalogue of the server that started last; null if there was none, or one of version 0.1 */
  recorded(): Promise<Catalogue | null>;
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
  /** JSON, because names in it may have dots. Earlier servers did not record it. */
  whole?: string;
  at: Date;
}

const MAX_LISTED = 20;

const ADVICE =
  'Put them back into the catalogue. A tier that has another name now says so in "renamedFrom". A tier that is no longer ' +
  'sold stays in it with "retired": true; its subscriptions move to the "successor" when their periods end, by ' +
  '`npx continuum-billing catalogue apply`. A version belongs into the "former" of its tier. A feature that tenants shall lose is ' +
  'listed in "retiredFeatures". A resource stays as long as something of it is stored. `npx continuum-billing catalogue diff` lists ' +
  'who has what.';

export function createCatalogueGuard(deps: {
  models: Models;
  clock: Clock;
  catalogue: Catalogue;
  log: Logger;
}): CatalogueGuard {
  const { models, clock, catalogue, log } = deps;
  const settings = models.connection.collection<RecordedCatalogue>('settings');
  const subscriptions = models.billingSubscriptions.collection;
  const tierNames = new Set(catalogue.tiers.map(({ name }) => name));
  const holders = createTierHolders({ models, clock });

  /** @returns one line for each tier */
  async function lackingTiers(): Promise<string[]> {
    const lacking = (await holders.heldTiers()).filter((name) => !tierNames.has(name)).sort();
    return linesOf(lacking, async (tier) => [`tier ${tier}`, await holders.count(tier)]);
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
      const { subscriptions } = await holders.count(tier, version);
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
      const counts = await Promise.all(
        versions.map(async ({ tier, version, isCurrent }) => {
          const { subscriptions, contracts } = await holders.count(tier, version);
          return { subscriptions, contracts: isCurrent ? contracts : 0 };
        }),
      );
      const sum = (kind: 'subscriptions' | 'contracts') => counts.reduce((all, one) => all + one[kind], 0);
      return [`feature ${feature}`, { subscriptions: sum('subscriptions'), contracts: sum('contracts') }];
    });
  }

  /** Reads every ledger, but only after a resource was removed. */
  async function lackingResources(before: Catalogue | null): Promise<string[]> {
    const removed = (before?.resources ?? []).filter((one) => !catalogue.resources.includes(one));
    return linesOf(removed, async (resource) => [
      `resource ${resource}`,
      { stored: await holders.countStored(resource) },
    ]);
  }

  const read = () => settings.findOne({ _id: 'catalogue' });
  const wholeIn = (stored: RecordedCatalogue | null): Catalogue | null =>
    stored?.whole ? (JSON.parse(stored.whole) as Catalogue) : null;

  return {
    async check() {
      const stored = await read();
      const { versions = [] } = stored ?? {};
      const lacking = [
        ...(await lackingTiers()),
        ...(await lackingVersions(versions)),
        ...(await lackingFeatures(versions)),
        ...(await lackingResources(wholeIn(stored))),
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
        {
          $set: { digest, versions: versionsIn(catalogue), whole: JSON.stringify(catalogue) },
          $currentDate: { at: true },
        },
        { upsert: true, projection: { digest: 1 } },
      );
      if (before && before.digest !== digest) {
        log.info({ before: before.digest, now: digest }, 'catalogue.changed');
      }
    },
    recorded: async () => wholeIn(await read()),
  };
}

/** Describes each item that at least one tenant has. */
async function linesOf<T>(
  items: readonly T[],
  describe: (item: T) => Promise<[what: string, holders: Partial<Holders>]>,
): Promise<string[]> {
  const described = await Promise.all(items.map(describe));
  return described.flatMap(([what, held]) => {
    const text = holdersText(held);
    return text ? [`${what}: ${text}`] : [];
  });
}

const versionsIn = ({ tiers }: Catalogue): RecordedVersion[] =>
  tiers.flatMap(({ name: tier, version, features, former }) => [
    { tier, version, isCurrent: true, features },
    ...former.map((one) => ({ tier, version: one.version, isCurrent: false, features: one.features })),
  ]);
