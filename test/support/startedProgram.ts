import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { vi } from 'vitest';

/** A program that runs, and what it has printed. */
export interface StartedProgram {
  pid: number;
  /** @returns what a group of the pattern matches in all that it printed */
  read(pattern: RegExp): string;
  /** Waits until it has printed the text. */
  says(text: string): Promise<void>;
  /** Asks it to end, unless it has ended. @returns its exit code, or the signal that killed it */
  end(): Promise<number | string | null>;
}

const START_MS = 60_000;

/** @param ready what it prints when it can be used. @throws if it ends before, or takes longer than a minute */
export async function startProgram(
  file: string,
  args: readonly string[],
  { ready, env, cwd }: { ready: string; env: Record<string, string>; cwd?: string },
): Promise<StartedProgram> {
  const child = spawn(file, args, {
    cwd,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
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
    await Promise.race([
      says(ready),
      exited.then(([code]) => Promise.reject(new Error(`It ended with ${code}:\n${printed}`))),
    ]);
  } catch (error) {
    await end();
    throw error;
  }
  return {
    pid: child.pid as number,
    read: (pattern) => pattern.exec(printed)?.[1] ?? `nothing like ${pattern} in: ${printed}`,
    says,
    end,
  };
}
