import { badInput } from '../errors.js';
import { needGoodValue } from '../inputValues.js';
import type { FieldRule } from './rules.js';

/** How an entity of a subgraph is fetched. */
export interface EntityRule {
  /** The field whose value identifies an entity of the type; null: the whole representation does. */
  key: string | null;
  /** The rule of the root field that returns the same, by which a fetch is guarded and charged; null: it is free. */
  rule: FieldRule | null;
}

/** Entities by the name of their type. */
export type EntityRules = ReadonlyMap<string, EntityRule>;

const MAX_KEY_LENGTH = 200;

/**
 * Counts the different entities of each type in the representations. A gateway repeats an entity as often as the data of
 * other subgraphs refers to it, which its client cannot see, so repetitions are free.
 * @throws BAD_USER_INPUT for anything that does not represent an entity of this schema
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
