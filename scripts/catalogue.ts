import { parseArgs } from 'node:util';
import { readRules } from '@continuum-billing/limits/core';
import type { Catalogue } from '../src/catalogue/catalogue.js';
import { type CatalogueChange, changesOf } from '../src/catalogue/catalogueChanges.js';
import { groupBy } from '../src/common/groups.js';
import { formatMoney } from '../src/common/money.js';
import { ConfigError, readCatalogueConfig, readDatabaseConfig } from '../src/config/config.js';
import { silentLog } from '../src/log.js';
import { createModels } from '../src/models/models.js';
import { resolvers } from '../src/resolvers/resolvers.js';
import { buildSchema } from '../src/schema/buildSchema.js';
import type { Succession } from '../src/services/billing/subscriptions/successions.js';
import { createCatalogueGuard } from '../src/services/tiers/catalogueGuard.js';
import { createTierHolders, holdersText, type TierHolders } from '../src/services/tiers/tierHolders.js';
import { failureOf } from './support/failures.js';
import { hideProgress, showProgress } from './support/progressBar.js';
import { pushCatalogue } from './support/pushCatalogue.js';
import { printError, withDatabase, withServices } from './support/services.js';

const HELP = `Works with the catalogue of tiers.

  npm run catalogue -- check [FILE]       list everything that is wrong with a catalogue
  npm run catalogue -- diff [FILE]        compare it with that of the server that started last: what changes, and for whom
  npm run catalogue -- apply [--dry-run]  move subscriptions of retired tiers to their successors, when their periods end
  npm run catalogue -- push [--dry-run]   create at Stripe what the catalogue needs, like npm run stripe:setup
  npm run catalogue -- help               print this text

FILE is the catalogue that you are about to use; without it, it is CATALOG_FILE, or the built-in catalogue. SAMPLE_DOMAIN
counts, as for the server. diff needs the database alone; apply and push need the server's environment.

A run of apply that was interrupted is resumed by starting it again. With --dry-run it prints what it would do.
Exit code: 0; 1 if there is an error, if tenants have what the catalogue lacks, or if a subscription could not be moved.
`;

const MAX_LISTED = 10;

function check(file: string | undefined): void {
  const { catalogue, sampleDomain } = read(file);
  const schema = buildSchema([...resolvers], { catalogue, sampleDomain });
  readRules(schema);
  const names = catalogue.tiers.map(({ name }) => name);
  console.log(`No errors. ${names.length} tiers: ${names.join(', ')}`);
}

/** @throws ConfigError that lists all errors */
function read(file: string | undefined): { catalogue: Catalogue; sampleDomain: boolean } {
  return readCatalogueConfig({ ...process.env, ...(file !== undefined && { CATALOG_FILE: file }) });
}

async function diff(file: string | undefined): Promise<void> {
  const { catalogue } = read(file);
  const log = silentLog(null);
  await withDatabase(readDatabaseConfig(), log, async (connection, clock) => {
    const models = createModels(connection);
    const guard = createCatalogueGuard({ models, clock, catalogue, log });
    const before = await guard.recorded();
    if (before) await printChanges(changesOf(before, catalogue), createTierHolders({ models, clock }));
    else
      console.log(
        'No server of this version has started on this database, so there is nothing to compare with.',
      );
    await guard.check();
  });
}

/** What concerns the same tenants is listed together. */
async function printChanges(changes: readonly CatalogueChange[], holders: TierHolders): Promise<void> {
  if (changes.length === 0) console.log('Nothing changes.');
  const groups = groupBy(changes, ({ tier, version }) => JSON.stringify([tier, version]));
  for (const group of groups.values()) {
    for (const { text, takes } of group) console.log(`${takes ? '-' : ' '} ${text}`);
    const [{ tier, version }] = group;
    if (tier !== null) console.log(`    concerns ${await whomOf(holders, tier, version)}`);
  }
  if (changes.some(({ takes }) => takes)) console.log('- is what somebody gets less of.');
}

async function whomOf(holders: TierHolders, tier: string, version: number | null): Promise<string> {
  const held = holdersText(await holders.count(tier, version ?? undefined));
  if (!held) return 'nobody';
  const ids = await holders.list(tier, MAX_LISTED + 1);
  const more = ids.length > MAX_LISTED ? ', …' : '';
  return `${held}: ${ids.slice(0, MAX_LISTED).join(', ')}${more}`;
}

const apply = (dryRun: boolean): Promise<void> =>
  withServices(
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
          hideProgress();
          console.log(lineOf(succession));
          showProgress(done / total, `${done} of ${total} subscriptions`);
        },
      });
      const rest = kept > 0 ? `; ${kept} keep their tier for now` : '';
      console.log(`${moved} ${dryRun ? 'to move' : 'moved'}${rest}`);
      if (kept > 0) process.exitCode = 1;
    },
  );

function lineOf({ tenantId, from, to, preview, problem }: Succession): string {
  if (!preview) return `${tenantId}: stays on ${from}, because ${problem}`;
  const { effectiveAt, nextInvoiceCents, currency } = preview;
  const next =
    nextInvoiceCents === null ? '' : `, whose invoice is ${formatMoney(nextInvoiceCents, currency)}`;
  return `${tenantId}: from ${from} to ${to} on ${effectiveAt.toISOString().slice(0, 10)}${next}`;
}

try {
  const flag = { type: 'boolean', default: false } as const;
  const { values, positionals } = parseArgs({
    options: { help: flag, 'dry-run': flag },
    allowPositionals: true,
  });
  const [command = 'help', file, ...others] = positionals;
  const takesFile = command === 'check' || command === 'diff';
  if (others.length > 0 || (file !== undefined && !takesFile))
    throw new ConfigError([`catalogue ${command}: ${others[0] ?? file} is one argument too many`]);
  if (values.help || command === 'help') process.stdout.write(HELP);
  else if (command === 'check') check(file);
  else if (command === 'diff') await diff(file);
  else if (command === 'apply') await apply(values['dry-run']);
  else if (command === 'push') await pushCatalogue({ dryRun: values['dry-run'] });
  else
    throw new ConfigError([`catalogue ${command}: there is no such command; see npm run catalogue -- help`]);
} catch (error) {
  printError(failureOf(error));
  process.exitCode = 1;
}
