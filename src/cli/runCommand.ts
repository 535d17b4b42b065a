import { CommanderError } from 'commander';
import { createOutput, ExitCode, type Terminal } from './output.js';
import { createProgram } from './program.js';

/** Runs the command line. @returns the exit code; `start` never returns */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  let code: number = ExitCode.DONE;
  const program = createProgram(terminal, (ended) => {
    code = ended;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // The help or the version was asked for.
    if (error.exitCode === 0) return ExitCode.DONE;
    if (args.includes('--json')) {
      const failure = { code: 'WRONG_USAGE', message: error.message.replace(/^error: /, '') };
      createOutput(terminal, { json: true, list: null }).end({ json: { error: failure } });
    }
    return ExitCode.WRONG_USAGE;
  }
}
