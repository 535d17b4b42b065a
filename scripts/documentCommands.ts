import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Command } from 'commander';
import { createProgram } from '../src/cli/program.js';
import { keepFile } from './support/generatedFile.js';

/** Replaces the reference of commands in docs/cli.md with their own help. */
const FILE = 'docs/cli.md';
const MARK = '<!-- The rest is written by `npm run schema`, from the help of the commands. -->';

/** @returns the path of a command, and its help */
function* helpOf(command: Command, path: readonly string[]): Generator<{ path: string; text: string }> {
  const shown = path.join(' ');
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  yield { path: shown, text };
  for (const child of command.commands) yield* helpOf(child, [...path, child.name()]);
}

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const silent = { write: () => true };
const program = createProgram({ env: {}, stdout: silent, stderr: silent }, () => {});
const sections = [...helpOf(program, ['continuum-billing'])]
  // The help of this one is that of the repository's benchmarks.
  .filter(({ path }) => path !== 'continuum-billing bench')
  .map(({ path, text }) => `### ${path}\n\n\`\`\`text\n${text.trim()}\n\`\`\`\n`);
const [introduction = ''] = readFileSync(FILE, 'utf8').split(MARK);
keepFile(FILE, `${introduction}${MARK}\n\n## Reference\n\n${sections.join('\n')}`, {
  check: values.check,
  command: 'npm run schema',
});
