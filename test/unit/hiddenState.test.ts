import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../../src');
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort();
const source = (file: string) => readFileSync(join(SRC, file), 'utf8');

describe('hidden state', () => {
  it('the environment is read in config/ alone', () => {
    const readers = files.filter((file) => /process\.env\b|\benv\s*\}\s*=\s*process/.test(source(file)));
    expect(readers).toEqual(['config/config.ts']);
  });

  it('the time is taken from the clock: nobody asks the system for it', () => {
    const askers = files.filter((file) => /\bDate\.now\(\)|new Date\(\)/.test(source(file)));
    expect(askers).toEqual(['database.ts']);
  });
});
