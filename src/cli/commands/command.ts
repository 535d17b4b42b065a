import type { Command } from 'commander';
import { createOutput, ExitCode, type Output, type Result, type Terminal, UsageError } from '../output.js';

/** What every command needs. */
export interface CommandContext {
  terminal: Terminal;
  onEnd(exitCode: number): void;
}

/** @param options as the command's definition names them; @param values of its arguments */
type Work<TOptions> = (
  output: Output,
  options: TOptions,
  ...values: (string | undefined)[]
) => Promise<Result>;

/** Gives a command `--json` and what it does. @param list the name of what it writes item by item */
export function runs<TOptions extends object>(
  command: Command,
  { terminal, onEnd }: CommandContext,
  work: Work<TOptions>,
  list: string | null = null,
): Command {
  return command
    .option('--json', 'print one JSON document on standard output')
    .action(async (...received: unknown[]) => {
      // Commander passes the arguments, the options and the command.
      const { json = false, ...options } = received.at(-2) as TOptions & { json?: boolean };
      const values = received.slice(0, -2) as (string | undefined)[];
      const output = createOutput(terminal, { json, list });
      try {
        const result = await work(output, options as TOptions, ...values);
        output.end(result);
        onEnd(result.ok === false ? ExitCode.FAILED : ExitCode.DONE);
      } catch (error) {
        if (error instanceof UsageError) command.error(`error: ${error.message}`);
        // Loaded only now: the help needs none of what it imports.
        const { failureOf } = await import('../failures.js');
        const failure = failureOf(error);
        output.note(failure.message);
        output.end({ json: { error: failure } });
        onEnd(ExitCode.FAILED);
      }
    });
}
