import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import catalogue from '../../catalogue.json' with { type: 'json' };

export const PRO_CENTS = 2_900;
export const TEAM_CENTS = 9_900;

/** The built-in catalogue, where other things than memories are stored: so many of each on any tier. */
export function storingCatalogue(stored: Record<string, number>): object {
  const tiers = catalogue.tiers.map((tier) => ({ ...tier, limits: { ...tier.limits, stored } }));
  return { ...catalogue, resources: Object.keys(stored), tiers };
}

/** @returns the file's path */
export function catalogueFile(content: object): string {
  const file = join(mkdtempSync(join(tmpdir(), 'continuum-catalogue-')), 'catalogue.json');
  writeFileSync(file, JSON.stringify(content));
  return file;
}

/**
 * The built-in catalogue with one more tier for sale between PRO and ENTERPRISE.
 * @param changes `overage: null`: neither sells any, so that renewals are paid at once
 * @returns the file's path
 */
export function teamCatalogueFile(
  changes: { pro?: object; team?: object; enterprise?: object; overage?: null } = {},
): string {
  const [free, builtIn, enterprise] = catalogue.tiers;
  if (!free || !builtIn || !enterprise) throw new Error('The catalogue has three tiers');
  const pro = { ...builtIn, ...('overage' in changes && { overage: changes.overage }) };
  const team = {
    ...pro,
    name: 'TEAM',
    monthlyPriceCents: TEAM_CENTS,
    limits: { ...pro.limits, apiCallsPerDay: 50_000 },
    ...changes.team,
  };
  const tiers = [free, { ...pro, ...changes.pro }, team, { ...enterprise, ...changes.enterprise }];
  return catalogueFile({ ...catalogue, tiers });
}

/** What PRO and TEAM cost in the catalogue below, in cents. */
export const SEAT_CENTS = 1_200;
export const AMOUNTS = {
  PRO: { month: { usd: 2_900, eur: 2_700 }, year: { usd: 29_000, eur: 27_000 } },
  TEAM: {
    month: { usd: SEAT_CENTS, eur: 1_100 },
    quarter: { usd: 3_300 },
    year: { usd: 12_000, eur: 11_000 },
  },
} as const;

/** The built-in catalogue with PRO by the month and the year in two currencies, and TEAM by the seat. */
export function pricedCatalogue(changes: { pro?: object; team?: object } = {}): object {
  const [free, builtIn, enterprise] = catalogue.tiers;
  if (!free || !builtIn || !enterprise) throw new Error('The catalogue has three tiers');
  const { monthlyPriceCents: _, ...pro } = builtIn;
  const overage = { priceCents: 10, perCalls: 1_000, amounts: { eur: 9 } };
  const { month, year } = AMOUNTS.PRO;
  const prices = [
    { interval: 'month', amounts: month },
    { interval: 'year', amounts: year },
  ];
  const team = {
    name: 'TEAM',
    extends: 'PRO',
    prices: [
      { interval: 'month', perSeat: true, amounts: AMOUNTS.TEAM.month },
      { interval: 'month', intervalCount: 3, perSeat: true, amounts: AMOUNTS.TEAM.quarter },
      { interval: 'year', perSeat: true, amounts: AMOUNTS.TEAM.year },
    ],
    ...changes.team,
  };
  return {
    ...catalogue,
    tiers: [free, { ...pro, overage, prices, ...changes.pro }, team, { ...enterprise, overage }],
  };
}
