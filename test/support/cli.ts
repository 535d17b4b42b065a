import { runCommand } from '../../src/cli/runCommand.js';

export interface CliRun {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command line of `continuum-billing` inside of this process. */
export async function runCli(args: readonly string[], env: Record<string, string> = {}): Promise<CliRun> {
  const [stdout, stderr] = [written(), written()];
  const code = await runCommand(args, { env, stdout, stderr });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

export function written() {
  let text = '';
  return {
    write(more: string | Buffer) {
      text += more;
    },
    text: () => text,
  };
}
