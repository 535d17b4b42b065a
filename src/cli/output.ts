import { createProgress, hideProgress } from './progressBar.js';

/** Where a command runs. */
export interface Terminal {
  env: NodeJS.ProcessEnv;
  stdout: { write(text: string): unknown };
  stderr: { write(text: string): unknown; isTTY?: boolean };
}

/** What `$?` is after a command. */
export const ExitCode = { DONE: 0, FAILED: 1, WRONG_USAGE: 2 } as const;

/** How a command ended. */
export interface Result {
  /** The document of `--json`, without the list that was written item by item. */
  json: object;
  /** What a person reads, without the items. Default: nothing. */
  text?: string;
  /** Whether what was asked for is done, and nothing wrong was found. Default: true. */
  ok?: boolean;
}

export interface Output {
  env: NodeJS.ProcessEnv;
  /** Something that was found or done: a line for a person, or an item of the document's list. */
  item(value: object, text: string): void;
  /** A line on standard error, with `--json` too. */
  note(line: string): void;
  /** Shown at most once a second. @param done the part that is done, 0 to 1; null: unknown */
  progress(done: number | null, text: string): void;
  end(result: Result): void;
}

/** An error for a person, whose code is stable for scripts. */
export class CommandError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The arguments do not fit each other. */
export class UsageError extends CommandError {
  constructor(message: string) {
    super('WRONG_USAGE', message);
  }
}

/**
 * Standard output gets lines, or with `json` one document. Its list is written item by item, because it may be longer than what
 * fits into memory.
 * @param list the name of that list; null: the command has none
 */
export function createOutput(
  terminal: Terminal,
  { json, list }: { json: boolean; list: string | null },
): Output {
  const { env, stdout, stderr } = terminal;
  let items = 0;
  const separator = () => (items++ === 0 ? `{"${list}":[\n` : ',\n');
  return {
    env,
    item(value, text) {
      hideProgress(stderr);
      stdout.write(json ? separator() + JSON.stringify(value) : `${text}\n`);
    },
    note(line) {
      hideProgress(stderr);
      stderr.write(`${line}\n`);
    },
    progress: createProgress(stderr),
    end({ json: value, text }) {
      hideProgress(stderr);
      if (!json) {
        if (text !== undefined) stdout.write(`${text}\n`);
        return;
      }
      if (list === null) {
        stdout.write(`${JSON.stringify(value, null, 2)}\n`);
        return;
      }
      const fields = Object.entries(value).map(
        ([name, field]) => `"${name}":${JSON.stringify(field, null, 2)}`,
      );
      if (items === 0) fields.unshift(`"${list}":[]`);
      stdout.write(`${items > 0 ? '\n],\n' : '{'}${fields.join(',\n')}}\n`);
    },
  };
}
