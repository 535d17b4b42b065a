import { parseArgs } from 'node:util';
import { readRules } from '@continuum-billing/limits/core';
import { readConfig } from '../src/config/config.js';
import { entitiesOf } from '../src/resolvers/entities.js';
import { resolvers } from '../src/resolvers/resolvers.js';
import { buildSchema } from '../src/schema/buildSchema.js';
import { buildSubgraph } from '../src/schema/subgraph.js';

const HELP = `Prints the subgraph's SDL, for a schema registry.

  npm run --silent subgraph:sdl

It is the one that POST /subgraph serves in the same environment: CATALOG_FILE, SAMPLE_DOMAIN,
SUBGRAPH_TYPE_PREFIX and SUBGRAPH_FIELD_PREFIX are heeded.
`;

const { values } = parseArgs({ options: { help: { type: 'boolean' } } });
if (values.help) {
  console.log(HELP);
} else {
  try {
    const config = readConfig();
    const schema = buildSchema([...resolvers], config);
    process.stdout.write(buildSubgraph(schema, readRules(schema), entitiesOf(config), config.subgraph).sdl);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
