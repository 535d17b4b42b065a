import { readRules } from '@continuum-billing/limits/core';
import { expect, test } from 'vitest';
import { readConfig } from '../../../src/config/config.js';
import { entitiesOf } from '../../../src/resolvers/entities.js';
import { resolvers } from '../../../src/resolvers/resolvers.js';
import { buildSchema } from '../../../src/schema/buildSchema.js';
import { printSchema } from '../../../src/schema/printSchema.js';
import { buildSubgraph } from '../../../src/schema/subgraph.js';

const SAMPLE = /memor(y|ies)|embedding|semantic|federation(Shares|Priority)/i;

/** What is left of the sample domain in a schema. The features are those of the built-in catalogue. */
const leftovers = (sdl: string) =>
  sdl.split('\n').filter((line) => SAMPLE.test(line) && !/^\s*SEMANTIC_SEARCH$/.test(line));

test('without the sample domain neither the schema nor the subgraph mentions it, in descriptions either', () => {
  const config = readConfig({ SAMPLE_DOMAIN: 'false' });
  const schema = buildSchema([...resolvers], config);
  const { sdl } = buildSubgraph(schema, readRules(schema), entitiesOf(config), config.subgraph);
  expect(leftovers(printSchema(schema))).toEqual([]);
  expect(leftovers(sdl)).toEqual([]);
  expect(schema.getSubscriptionType()?.getFields()).toHaveProperty('usageChanged');
});

test('with it, both have it', () => {
  const config = readConfig({});
  const schema = buildSchema([...resolvers], config);
  expect(Object.keys(schema.getQueryType()?.getFields() ?? {})).toContain('searchMemories');
  expect(leftovers(printSchema(schema)).length).toBeGreaterThan(20);
});
