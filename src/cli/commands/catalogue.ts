import type { Command } from 'commander';
import { type CommandContext, runs } from './command.js';

const FILE = 'the catalogue that you are about to use; default: CATALOG_FILE, or the built-in one';
const DRY_RUN = 'print what it would do, and change nothing';

export function addCatalogueCommands(program: Command, context: CommandContext): void {
  const catalogue = program
    .command('catalogue')
    .description('check, compare and apply the catalogue of tiers');

  runs(
    catalogue
      .command('check')
      .description('list everything that is wrong with a catalogue')
      .argument('[file]', FILE)
      .addHelpText('after', '\nSAMPLE_DOMAIN counts, as for the server.'),
    context,
    async ({ env }, _options, file) => {
      const { checkCatalogue } = await import('../catalogue.js');
      return checkCatalogue(env, file);
    },
  );

  runs(
    catalogue
      .command('diff')
      .description('compare it with that of the server that started last: what changes, and for whom')
      .argument('[file]', FILE)
      .addHelpText(
        'after',
        `
It needs the database alone: MONGODB_URI, or DATA_DIR for the embedded one. A line that begins with "-" is what somebody
gets less of. The exit code is 1 if tenants have what the catalogue lacks.`,
      ),
    context,
    async (output, _options, file) => {
      const { diffCatalogue } = await import('../catalogue.js');
      return diffCatalogue(output, file);
    },
    'changes',
  );

  runs<{ dryRun?: boolean }>(
    catalogue
      .command('apply')
      .description('move subscriptions of retired tiers to their successors, when their periods end')
      .option('--dry-run', DRY_RUN)
      .addHelpText(
        'after',
        `
The environment variables are those of the server. A run that was interrupted is resumed by starting it again. The exit
code is 1 if a subscription could not be moved.`,
      ),
    context,
    async (output, { dryRun = false }) => {
      const { applyCatalogue } = await import('../catalogue.js');
      return applyCatalogue(output, dryRun);
    },
    'subscriptions',
  );

  runs<{ dryRun?: boolean }>(
    catalogue
      .command('push')
      .description('create at Stripe what the catalogue needs; the same as `stripe setup`')
      .option('--dry-run', DRY_RUN),
    context,
    async (output, { dryRun = false }) => {
      const { pushCatalogue } = await import('../pushCatalogue.js');
      return pushCatalogue(output, dryRun);
    },
  );
}
