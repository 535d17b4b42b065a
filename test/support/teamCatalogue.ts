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
  changes: { pro?: object; enterprise?: object; overage?: null } = {},
): string {
  const [free, builtIn, enterprise] = catalogue.tiers;
  if (!free || !builtIn || !enterprise) throw new Error('The catalogue has three tiers');
  const pro = { ...builtIn, ...('overage' in changes && { overage: changes.overage }) };
  const team = {
    ...pro,
    name: 'TEAM',
    monthlyPriceCents: TEAM_CENTS,
    limits: { ...pro.limits, apiCallsPerDay: 50_000 },
  };
  const tiers = [free, { ...pro, ...changes.pro }, team, { ...enterprise, ...changes.enterprise }];
  return catalogueFile({ ...catalogue, tiers });
}
