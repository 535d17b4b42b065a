import { Command } from 'commander';
import { VERSION } from '../config/config.js';
import { addAuditCommands } from './commands/audit.js';
import { addBackupCommands } from './commands/backups.js';
import { addCatalogueCommands } from './commands/catalogue.js';
import { addKeyCommands } from './commands/keys.js';
import { addServerCommands } from './commands/server.js';
import { addStripeCommands } from './commands/stripe.js';
import { addTenantCommands } from './commands/tenants.js';
import type { Terminal } from './output.js';

const HELP_WIDTH = 120;

const AFTER = `
Exit codes: 0 done; 1 failed, or something wrong was found; 2 wrong usage.
With --json, standard output is one JSON document, {"error": {"code", "message"}} after a failure. Progress and logs
go to standard error.`;

/** The whole command line. @param onEnd receives the exit code */
export function createProgram(terminal: Terminal, onEnd: (exitCode: number) => void): Command {
  const program = new Command('continuum-billing')
    .description('Runs and operates a Continuum Billing server.')
    .version(VERSION, '--version', 'print the version')
    .helpOption('--help', 'print this text')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    .showHelpAfterError('Add --help for the usage.')
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      // The same wherever it is printed, so that docs/cli.md follows from it.
      getOutHelpWidth: () => HELP_WIDTH,
      getErrHelpWidth: () => HELP_WIDTH,
    })
    .addHelpText('after', AFTER);
  const context = { terminal, onEnd };
  addServerCommands(program, context);
  addCatalogueCommands(program, context);
  addTenantCommands(program, context);
  addKeyCommands(program, context);
  addStripeCommands(program, context);
  addBackupCommands(program, context);
  addAuditCommands(program, context);
  return program;
}
