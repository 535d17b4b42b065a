import { readFileSync } from 'node:fs';
import mongoose from 'mongoose';
import { expect, it } from 'vitest';
import { createModels } from '../../../src/models/models.js';

const COMMAND = /sh\.shardCollection\("continuum\.(\w+)", \{ (\w+): 1 \}\)/g;
const shardKeys = [...readFileSync('docs/scaling.md', 'utf8').matchAll(COMMAND)].map(
  ([, collection, key]) => ({ collection, key: key as string }),
);
const { connection: _, ...models } = createModels(mongoose.createConnection());
const indexesOf = (collection: string | undefined) => {
  const model = Object.values(models).find((one) => one.collection.name === collection);
  return model && [[{ _id: 1 }, { unique: true }] as const, ...model.schema.indexes()];
};

it('the documents shard some collections', () => expect(shardKeys.length).toBeGreaterThan(5));

it.each(shardKeys)('$collection can be sharded by $key: an index begins with it', ({ collection, key }) => {
  const begins = indexesOf(collection)?.some(([fields]) => Object.keys(fields)[0] === key);
  expect(begins).toBe(true);
});

// MongoDB keeps an index unique on each shard only, unless it begins with the shard key. The _id of another shard key is its own.
it.each(shardKeys)('$collection has no unique index that does not begin with $key', ({ collection, key }) => {
  const unique = indexesOf(collection)?.filter(([, options]) => options?.unique) ?? [];
  const others = unique.map(([fields]) => Object.keys(fields)[0]).filter((first) => first !== key);
  expect(others.filter((first) => first !== '_id')).toEqual([]);
});
