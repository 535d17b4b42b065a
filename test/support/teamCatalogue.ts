import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import catalogue from '../../catalogue.json' with { type: 'json' };

export const PRO_CENTS = 2_900;
export const TEAM_CENTS = 9_900;

/** The built-in catalogue with one more tier for sale between PRO and ENTERPRISE. @returns the file's path */
export function teamCatalogueFile(changes: { pro?: object } = {}): string {
  const [free, pro, enterprise] = catalogue.tiers;
  if (!free || !pro || !enterprise) throw new Error('The catalogue has three tiers');
  const team = {
    ...pro,
    name: 'TEAM',
    monthlyPriceCents: TEAM_CENTS,
    limits: { ...pro.limits, apiCallsPerDay: 50_000 },
  };
  const file = join(mkdtempSync(join(tmpdir(), 'continuum-catalogue-')), 'catalogue.json');
  const tiers = [free, { ...pro, ...changes.pro }, team, enterprise];
  writeFileSync(file, JSON.stringify({ ...catalogue, tiers }));
  return file;
}
