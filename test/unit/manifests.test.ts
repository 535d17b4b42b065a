import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Manifest {
  version: string;
  license: string;
  engines: object;
  keywords?: string[];
  publishConfig?: object;
  dependencies?: Record<string, string>;
}

const read = (folder: string) => JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as Manifest;
const server = read('.');
const packages = readdirSync('packages').map((name) => `packages/${name}`);

it.each(['.', 'dashboard', ...packages])('%s has the version and the licence of all packages', (folder) => {
  const { version, license, dependencies = {} } = read(folder);
  expect({ version, license }).toEqual({ version: server.version, license: 'MIT' });
  for (const [name, range] of Object.entries(dependencies))
    if (name.startsWith('@continuum-billing/')) expect(range, name).toBe(version);
});

it.each(packages)('%s can be published, and says what it is for and what it runs on', (folder) => {
  const { engines, keywords, publishConfig } = read(folder);
  expect({ engines, publishConfig }).toEqual({
    engines: server.engines,
    publishConfig: { access: 'public' },
  });
  expect(keywords?.length).toBeGreaterThan(3);
  expect(readdirSync(folder)).toEqual(expect.arrayContaining(['LICENSE', 'README.md']));
});
