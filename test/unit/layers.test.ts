import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Import {
  from: string;
  /** Path under src/, e.g. `models/tenant.ts`; outside it begins with `../`. */
  to: string;
  typeOnly: boolean;
}

const SRC = join(import.meta.dirname, '../../src');
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort();
const source = (file: string) => readFileSync(join(SRC, file), 'utf8');

/** Every relative import of a file: static, re-exported, and dynamic ones. */
function importsOf(file: string): Import[] {
  const statements = source(file).matchAll(
    /(?:^|\n)\s*(?:import|export)\s(type\s)?[^'";]*?from\s*'(\.[^']*)'|(?:^|\n)\s*import\s*'(\.[^']*)'|import\(\s*'(\.[^']*)'/g,
  );
  return [...statements].map(([, type, from, bare, dynamic]) => {
    const path = normalize(join(dirname(file), (from ?? bare ?? dynamic) as string));
    return { from: file, to: path.replace(/\.js$/, '.ts'), typeOnly: Boolean(type) };
  });
}

const imports = files.flatMap(importsOf);
const layerOf = (file: string) => (file.includes('/') ? (file.split('/')[0] as string) : 'root');

/** Imports from one layer into any of others, as lines to be read. */
const crossings = (layer: string, into: readonly string[]) =>
  imports
    .filter(({ from, to }) => layerOf(from) === layer && into.includes(layerOf(to)))
    .map(({ from, to }) => `${from} imports ${to}`);

describe('the layers', () => {
  it('are read from the source: every layer is there, and every import leads to a file', () => {
    expect([...new Set(files.map(layerOf))].sort()).toEqual([
      'directives',
      'library',
      'models',
      'resolvers',
      'rest',
      'root',
      'schema',
      'services',
    ]);
    expect(imports.length).toBeGreaterThan(200);
    const lost = imports.filter(({ to }) => !to.startsWith('..') && !files.includes(to));
    expect(lost).toEqual([]);
  });

  it.each([
    ['rest', ['models']],
    ['resolvers', ['models', 'rest']],
    ['schema', ['models', 'resolvers', 'rest']],
    ['directives', ['models', 'resolvers', 'rest', 'schema']],
    ['services', ['resolvers', 'rest', 'schema', 'directives', 'library']],
    ['library', ['resolvers', 'rest', 'schema']],
  ])('%s never imports %j', (layer, into) => {
    expect(crossings(layer, into)).toEqual([]);
  });

  it('nothing but the way to the database itself brings models into the library, and the server needs no library', () => {
    expect(crossings('library', ['models'])).toEqual(['library/directLimits.ts imports models/models.ts']);
    const users = imports.filter(({ from, to }) => layerOf(to) === 'library' && layerOf(from) !== 'library');
    expect(users).toEqual([]);
  });

  it('models import nothing but models, and types of services/tiers', () => {
    const others = imports.filter(
      ({ from, to, typeOnly }) =>
        layerOf(from) === 'models' &&
        layerOf(to) !== 'models' &&
        !(typeOnly && to.startsWith('services/tiers/')),
    );
    expect(others).toEqual([]);
  });

  it('nothing but the composition root and the process knows both services and GraphQL', () => {
    const composers = files.filter(
      (file) =>
        importsOf(file).some(({ to }) => to === 'services/createServices.ts') ||
        importsOf(file).some(({ to, typeOnly }) => to === 'app.ts' && !typeOnly),
    );
    expect(composers).toEqual(['app.ts', 'main.ts']);
  });

  it('the server imports nothing of the tests, and only the process brings scripts in', () => {
    const outside = imports.filter(({ to }) => to.startsWith('..'));
    expect(outside.filter(({ to }) => to.startsWith('../test'))).toEqual([]);
    const scripts = outside.filter(({ to }) => to.startsWith('../scripts'));
    expect([...new Set(scripts.map(({ from }) => from))]).toEqual(['main.ts']);
  });

  it('no two files import each other, types aside', () => {
    const edges = imports.filter(({ typeOnly }) => !typeOnly);
    const mutual = edges.filter(({ from, to }) => edges.some((e) => e.from === to && e.to === from));
    expect(mutual.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });
});

describe('hidden state', () => {
  it('the environment is read in config.ts alone', () => {
    const readers = files.filter((file) => /process\.env\b|\benv\s*\}\s*=\s*process/.test(source(file)));
    expect(readers).toEqual(['config.ts']);
  });

  it('the time is taken from the clock: nothing but the mock of Stripe, which delivers in real time, asks the system', () => {
    const askers = files.filter(
      (file) =>
        /\bDate\.now\(\)|new Date\(\)/.test(source(file)) && !file.startsWith('services/stripe/mock/'),
    );
    expect(askers).toEqual(['database.ts']);
  });
});
