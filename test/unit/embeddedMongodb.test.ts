import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ConfigError } from '../../src/config/config.js';
import { startEmbeddedMongodb } from '../../src/embeddedMongodb.js';

it.each([
  ['below a file', join(import.meta.filename, 'data')],
  ['where no directory can be made', '/proc/continuum'],
])('a data directory %s is a configuration error, at once', async (_, directory) => {
  const error = await startEmbeddedMongodb(directory, () => {}).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  expect(error.message).toContain(`DATA_DIR: ${directory} cannot be written (`);
  expect(error.message).toContain('set MONGODB_URI');
});
