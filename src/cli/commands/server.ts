import type { Command } from 'commander';
import { type CommandContext, runs } from './command.js';

export function addServerCommands(program: Command, context: CommandContext): void {
  program
    .command('start')
    .description('start the server, with an embedded MongoDB unless MONGODB_URI is set')
    .addHelpText(
      'after',
      `
It runs until it is interrupted (SIGINT or SIGTERM). It is configured by the environment: docs/reference/configuration.md lists the
variables. Without any, it starts in mock mode, makes a demo tenant, and prints its key and a query to paste.`,
    )
    .action(async () => {
      await import('../../main.js');
      // The server ends the process.
      await new Promise(() => {});
    });

  const doctor = program
    .command('doctor')
    .description(
      'check configuration, MongoDB, Stripe, Redis and the public URL, and say how to fix what is wrong',
    )
    .addHelpText(
      'after',
      `
A check is ok, a warning, an error or skipped. The environment variables are those of the server, which may run meanwhile.
Nothing is changed, except for one document that is written to MongoDB and deleted again. No secret is printed.
--json prints {ok, counts, checks: [{name, status, found, fix}]}. The exit code is 1 if a check is an error.`,
    );
  runs(doctor, context, async (output) => {
    const { diagnosis } = await import('../doctor/diagnosis.js');
    return diagnosis(output);
  });

  program
    .command('bench')
    .description('measure the server and its peers side by side; needs a clone of the repository')
    .argument('[options...]', '--help lists them')
    .helpOption(false)
    .allowUnknownOption()
    .action(async (options: string[]) => {
      const { runBench } = await import('../bench.js');
      context.onEnd(await runBench(options, context.terminal));
    });
}
