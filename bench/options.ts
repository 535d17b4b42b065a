import { parseArgs } from 'node:util';
import { SECTIONS, type SectionName } from './sections/sections.js';

const HELP = `Measures the server and its peers side by side, on a MongoDB of its own.

  npm run bench                          everything, about 25 minutes; writes docs/benchmarks.md
  npm run bench -- --quick               less of everything, at most two minutes; writes nothing
  npm run bench -- --only http,growth    some sections: ${Object.keys(SECTIONS).join(', ')}; writes nothing
  npm run bench -- --seconds 10          how long each round measures
  npm run bench -- --output FILE         writes the tables there, whatever was measured
  npm run bench -- --help                this text
`;

const WHOLE_REPORT = 'docs/benchmarks.md';

const WHOLE = { rounds: 5, seconds: 3, busyTenants: 1_000 };
const QUICK = { rounds: 2, seconds: 1, busyTenants: 50 };

export interface Options {
  sections: SectionName[];
  quick: boolean;
  rounds: number;
  /** How long one round takes. */
  seconds: number;
  /** Tenants that make calls. */
  busyTenants: number;
  /** null: only printed. */
  output: string | null;
}

/** @returns the help, when it was asked for. @throws an Error for a person */
export function readOptions(args: readonly string[]): Options | string {
  const string = { type: 'string' } as const;
  const boolean = { type: 'boolean' } as const;
  const options = { only: string, quick: boolean, seconds: string, output: string, help: boolean };
  const { values } = parseArgs({ args: [...args], options });
  const { only, quick = false, seconds, output, help } = values;
  if (help) return HELP;
  const whole = only === undefined && !quick;
  const size = quick ? QUICK : WHOLE;
  return {
    ...size,
    sections: readSections(only),
    quick,
    seconds: readSeconds(seconds) ?? size.seconds,
    output: output ?? (whole ? WHOLE_REPORT : null),
  };
}

function readSections(only: string | undefined): SectionName[] {
  const all = Object.keys(SECTIONS) as SectionName[];
  const wanted = only?.split(',') ?? all;
  const unknown = wanted.filter((name) => !(all as string[]).includes(name));
  if (unknown.length > 0)
    throw new Error(`--only: there is no ${unknown.join(', ')}; there is ${all.join(', ')}`);
  return all.filter((name) => wanted.includes(name));
}

function readSeconds(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new Error('--seconds must be a whole number from 1 to 999');
  return Number(text);
}
