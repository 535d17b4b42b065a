import type { Command } from 'commander';
import { type CommandContext, runs } from './command.js';

const DATABASE = 'Environment: MONGODB_URI, or DATA_DIR for the embedded database.';

export function addBackupCommands(program: Command, context: CommandContext): void {
  const backup = program
    .command('backup')
    .description('write everything that is in the database to files, as it was at one moment')
    .argument('[directory]', 'in which a new directory is made; default: backups')
    .addHelpText(
      'after',
      `
Servers may run meanwhile. Standard output gets the path of the new directory. It contains personal data and secrets: only
its owner can read it. \`restore PATH --check\` verifies it, without a database. After a failure there is no new directory.

${DATABASE}`,
    );
  runs(backup, context, async (output, _options, parent = 'backups') => {
    const { backup: run } = await import('../backup/backup.js');
    return run(output, parent);
  });

  const restore = program
    .command('restore')
    .description('verify a backup, and write it into an empty database')
    .argument('<path>', 'the directory of one backup')
    .option('--check', 'only verify the files; needs no database')
    .option('--replace', 'delete what the database contains first')
    .addHelpText(
      'after',
      `
No server may run on the database. A restore that was cut off leaves a database on which no server starts: run it again.
Afterwards start the servers, and run \`stripe reconcile\`: it brings what has happened at Stripe since.

${DATABASE}`,
    );
  runs<{ check?: boolean; replace?: boolean }>(restore, context, async (output, options, path = '') => {
    const { restore: run } = await import('../backup/restore.js');
    return run(output, path, options);
  });
}
