import { badInput } from '../errors.js';
import { needGoodValue } from '../inputValues.js';
import type { FieldRule } from './rules.js';

/** An entity of a subgraph. */
export interface EntityRule {
  /** The field whose value tells entities of the type apart; null: all that a representation names. */
  key: string | null;
  /** Fetched by its key, it is guarded and charged as the root field that answers the same; null: it is free. */
  rule: FieldRule | null;
}

/** By the name of the type. */
export type EntityRules = ReadonlyMap<string, EntityRule>;

const MAX_KEY_LENGTH = 200;

/**
 * How many entities of each type the representations name. What is named twice is read once, and counts once: a gateway
 * names an entity as often as the data of other subgraphs refers to it, which its client cannot see.
 * @throws BAD_USER_INPUT for what is no representation of an entity here
 */
export function countEntities(
  entities: EntityRules,
  representations: readonly unknown[],
): ReadonlyMap<string, number> {
  const keysOf = new Map<string, Set<string>>();
  for (const [index, representation] of representations.entries()) {
    const [type, key] = read(entities, representation, `representations.${index}`);
    const keys = keysOf.get(type);
    if (keys) keys.add(key);
    else keysOf.set(type, new Set([key]));
  }
  return new Map([...keysOf].map(([type, keys]) => [type, keys.size]));
}

/** @returns the type and the key of one entity */
function read(entities: EntityRules, representation: unknown, path: string): [string, string] {
  if (representation === null || typeof representation !== 'object') {
    throw badInput(path, 'must be an object with __typename and the key of an entity');
  }
  needGoodValue(path, representation);
  const { __typename: type } = representation as Record<string, unknown>;
  const entity = typeof type === 'string' ? entities.get(type) : undefined;
  if (!entity || typeof type !== 'string') {
    throw badInput(`${path}.__typename`, `must be one of ${[...entities.keys()].join(', ')}`);
  }
  if (entity.key === null) return [type, JSON.stringify(representation)];
  const key = (representation as Record<string, unknown>)[entity.key];
  if (typeof key !== 'string' || key === '' || key.length > MAX_KEY_LENGTH) {
    throw badInput(
      `${path}.${entity.key}`,
      `must be a string of 1 to ${MAX_KEY_LENGTH} characters: it is the key of ${type}`,
    );
  }
  return [type, key];
}
