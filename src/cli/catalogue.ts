import { readRules } from '@continuum-billing/limits/core';
import type { Catalogue } from '../catalogue/catalogue.js';
import { type CatalogueChange, changesOf } from '../catalogue/catalogueChanges.js';
import { groupBy } from '../common/groups.js';
import { formatMoney } from '../common/money.js';
import { ConfigError, readCatalogueConfig, readDatabaseConfig } from '../config/config.js';
import { silentLog } from '../log.js';
import { createModels } from '../models/models.js';
import { resolvers } from '../resolvers/resolvers.js';
import { buildSchema } from '../schema/buildSchema.js';
import type { Succession } from '../services/billing/subscriptions/successions.js';
import { createCatalogueGuard } from '../services/tiers/catalogueGuard.js';
import { createTierHolders, holdersText, type TierHolders } from '../services/tiers/tierHolders.js';
import type { Output, Result } from './output.js';
import { withDatabase, withServices } from './services.js';

const MAX_LISTED = 10;

/** @param file of a catalogue. @throws ConfigError that lists all errors */
export function checkCatalogue(env: NodeJS.ProcessEnv, file: string | undefined): Result {
  const { catalogue, sampleDomain } = read(env, file);
  const schema = buildSchema([...resolvers], { catalogue, sampleDomain });
  readRules(schema);
  const tiers = catalogue.tiers.map(({ name }) => name);
  return { json: { tiers }, text: `No errors. ${tiers.length} tiers: ${tiers.join(', ')}` };
}

const read = (
  env: NodeJS.ProcessEnv,
  file: string | undefined,
): { catalogue: Catalogue; sampleDomain: boolean } =>
  readCatalogueConfig({ ...env, ...(file !== undefined && { CATALOG_FILE: file }) });

/** Compares with the catalogue of the server that started last. @throws ConfigError if tenants have what the new one lacks */
export async function diffCatalogue(output: Output, file: string | undefined): Promise<Result> {
  const { catalogue } = read(output.env, file);
  const log = silentLog(null);
  const database = { ...readDatabaseConfig(output.env), log, note: output.note };
  return withDatabase(database, async (connection, clock) => {
    const models = createModels(connection);
    const guard = createCatalogueGuard({ models, clock, catalogue, log });
    const before = await guard.recorded();
    const changes = before ? changesOf(before, catalogue) : [];
    await writeChanges(output, changes, createTierHolders({ models, clock }));
    await guard.check();
    return { json: { compared: before !== null }, ...textOf(before !== null, changes) };
  });
}

function textOf(compared: boolean, changes: readonly CatalogueChange[]): { text?: string } {
  if (!compared)
    return {
      text: 'No server of this version has started on this database, so there is nothing to compare with.',
    };
  if (changes.length === 0) return { text: 'Nothing changes.' };
  return changes.some(({ takes }) => takes) ? { text: '- is what somebody gets less of.' } : {};
}

/** What concerns the same tenants is listed together. */
async function writeChanges(
  output: Output,
  changes: readonly CatalogueChange[],
  holders: TierHolders,
): Promise<void> {
  const groups = groupBy(changes, ({ tier, version }) => JSON.stringify([tier, version]));
  for (const group of groups.values()) {
    const [{ tier, version }] = group;
    const concerns = tier === null ? null : await whomOf(holders, tier, version);
    const lines = group.map(({ text, takes }) => `${takes ? '-' : ' '} ${text}`);
    if (concerns !== null) lines.push(`    concerns ${concerns}`);
    const changed = group.map(({ text, takes }) => ({ text, takes }));
    output.item({ tier, version, concerns, changes: changed }, lines.join('\n'));
  }
}

async function whomOf(holders: TierHolders, tier: string, version: number | null): Promise<string> {
  const held = holdersText(await holders.count(tier, version ?? undefined));
  if (!held) return 'nobody';
  const ids = await holders.list(tier, MAX_LISTED + 1);
  const more = ids.length > MAX_LISTED ? ', …' : '';
  return `${held}: ${ids.slice(0, MAX_LISTED).join(', ')}${more}`;
}

/** Moves subscriptions of retired tiers. It is not done if some keep their tier. */
export const applyCatalogue = (output: Output, dryRun: boolean): Promise<Result> =>
  withServices(
    output,
    { failure: 'catalogue.apply_failed', writes: !dryRun },
    async ({ serverInstances, successions }) => {
      const others = (await serverInstances.list()).filter(({ sameCatalogue }) => !sameCatalogue);
      if (others.length > 0)
        throw new ConfigError([
          `CATALOG_FILE: servers that run have another catalogue (${others.length}); restart them with this one first`,
        ]);
      let moved = 0;
      let kept = 0;
      await successions.run({
        dryRun,
        onProgress({ total, done, succession }) {
          if (succession.problem === null) moved++;
          else kept++;
          output.item(succession, lineOf(succession));
          output.progress(done / total, `${done} of ${total} subscriptions`);
        },
      });
      const rest = kept > 0 ? `; ${kept} keep their tier for now` : '';
      const text = `${moved} ${dryRun ? 'to move' : 'moved'}${rest}`;
      return { json: { dryRun, moved, kept }, text, ok: kept === 0 };
    },
  );

function lineOf({ tenantId, from, to, preview, problem }: Succession): string {
  if (!preview) return `${tenantId}: stays on ${from}, because ${problem}`;
  const { effectiveAt, nextInvoiceCents, currency } = preview;
  const next =
    nextInvoiceCents === null ? '' : `, whose invoice is ${formatMoney(nextInvoiceCents, currency)}`;
  return `${tenantId}: from ${from} to ${to} on ${effectiveAt.toISOString().slice(0, 10)}${next}`;
}
