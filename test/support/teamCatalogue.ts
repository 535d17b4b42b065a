import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import catalogue from '../../catalogue.json' with { type: 'json' };

export const PRO_CENTS = 2_900;
export const TEAM_CENTS = 9_900;

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
  const file = join(mkdtempSync(join(tmpdir(), 'continuum-catalogue-')), 'catalogue.json');
  const tiers = [free, { ...pro, ...changes.pro }, team, { ...enterprise, ...changes.enterprise }];
  writeFileSync(file, JSON.stringify({ ...catalogue, tiers }));
  return file;
}
