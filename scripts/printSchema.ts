import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readConfig } from '../src/config.js';
import { resolvers } from '../src/resolvers/resolvers.js';
import { buildSchema } from '../src/schema/buildSchema.js';
import { printSchema } from '../src/schema/printSchema.js';

const HELP = `Writes schema.graphql from the code.

  npm run schema          write the file
  npm run schema:check    fail if the file is not what the code says
`;

const { values } = parseArgs({ options: { check: { type: 'boolean' }, help: { type: 'boolean' } } });
const FILE = 'schema.graphql';

if (values.help) {
  console.log(HELP);
} else {
  // The committed schema is the one of the built-in catalogue, whatever the environment says.
  const { catalogue } = readConfig({});
  const text = printSchema(buildSchema([...resolvers], catalogue));
  if (!values.check) {
    writeFileSync(FILE, text);
    console.log(`${FILE} written`);
  } else if (readFileSync(FILE, 'utf8') === text) {
    console.log(`${FILE} is up to date`);
  } else {
    console.error(`${FILE} is stale: run npm run schema, and commit it`);
    process.exitCode = 1;
  }
}
