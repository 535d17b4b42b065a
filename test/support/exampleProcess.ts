import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { vi } from 'vitest';

/** An example as its `npm run` script starts it. */
export interface ExampleProcess {
  /** @returns what a group of the pattern matches in all that it printed */
  read(pattern: RegExp): string;
  /** Waits until it has printed the text. */
  says(text: string): Promise<void>;
  /** Interrupts it, unless it has ended. @returns its exit code, or the signal that killed it */
  end(): Promise<number | string | null>;
}

const START_MS = 60_000;

/** Build the server first. Resolves when all of it runs. @param name a directory of examples/ */
export async function startExample(name: string, mongodbUri: string): Promise<ExampleProcess> {
  const child = spawn(process.execPath, [`examples/${name}/start.mjs`], {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      PORT: '0',
      MONGODB_URI: mongodbUri,
      HOST: '127.0.0.1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  let printed = '';
  for (const output of [child.stdout, child.stderr])
    output.on('data', (chunk) => {
      printed += chunk;
    });
  const says = (text: string) =>
    vi.waitFor(
      () => {
        if (!printed.includes(text)) throw new Error(`It does not say ${text}:\n${printed}`);
      },
      { timeout: START_MS, interval: 20 },
    );
  async function end() {
    child.kill('SIGTERM');
    const [code, signal] = await exited;
    return code ?? signal;
  }
  try {
    await says('Ctrl-C ends it all');
  } catch (error) {
    await end();
    throw error;
  }
  return {
    read: (pattern) => pattern.exec(printed)?.[1] ?? `nothing like ${pattern} in: ${printed}`,
    says,
    end,
  };
}
