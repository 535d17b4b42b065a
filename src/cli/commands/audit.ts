import type { Command } from 'commander';
import { type CommandContext, runs } from './command.js';

export function addAuditCommands(program: Command, context: CommandContext): void {
  const audit = program.command('audit').description('verify the audit log');
  const verify = audit
    .command('verify')
    .description('compare the entries of the audit log with their hashes')
    .option('--tenant <id>', "only this tenant's chain; `operators` for that of the operators")
    .option('--heads <file>', 'write the last hash of each chain to this file, one JSON object a line')
    .option('--expect <file>', 'also compare with such a file of an earlier run')
    .addHelpText(
      'after',
      `
It only reads, and is safe while servers run. An entry that was changed, removed or moved breaks its chain, and is named.
Someone who can write to the database could cut off the newest entries together with the end of the chain, or write a
whole chain again. Only --expect finds that: keep the file of --heads where nobody who can write to the database can
change it. Entries that retention deleted are not missing. The exit code is 1 if a problem was found.

Environment: MONGODB_URI, or DATA_DIR for the embedded database.`,
    );
  runs<{ tenant?: string; heads?: string; expect?: string }>(
    verify,
    context,
    async (output, options) => {
      const { verifyAuditLog } = await import('../auditVerification.js');
      return verifyAuditLog(output, options);
    },
    'problems',
  );
}
