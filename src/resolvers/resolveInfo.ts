import { type GraphQLResolveInfo, Kind, type SelectionSetNode } from 'graphql';
import type { BadItem } from '../directives/badItems.js';
import { LARGE_FIELDS, type MemoryReading } from '../services/memories/boundedReads.js';
import type { Context } from './context.js';

/** The names of all fields that are selected below a field, at any depth. */
export function selectedBelow({ fieldNodes, fragments }: GraphQLResolveInfo): ReadonlySet<string> {
  const names = new Set<string>();
  const spread = new Set<string>();

  function add(set: SelectionSetNode | undefined): void {
    for (const node of set?.selections ?? []) {
      if (node.kind === Kind.FIELD) names.add(node.name.value);
      if (node.kind !== Kind.FRAGMENT_SPREAD) add(node.selectionSet);
      else if (!spread.has(node.name.value)) {
        spread.add(node.name.value);
        add(fragments[node.name.value]?.selectionSet);
      }
    }
  }

  for (const { selectionSet } of fieldNodes) add(selectionSet);
  return names;
}

/** Which large fields of memories are selected below a field, and the budget for reading them. */
export function readingOf({ budget }: Context, info: GraphQLResolveInfo): MemoryReading {
  const selected = selectedBelow(info);
  return { fields: LARGE_FIELDS.filter((field) => selected.has(field)), budget };
}

/** @returns the items of a list argument in the order they were sent, including those that do not match their type */
export function allItems<T>(
  { badItems }: Context,
  { fieldNodes }: GraphQLResolveInfo,
  argument: string,
  valid: readonly T[],
): (T | BadItem)[] {
  const value = fieldNodes[0]?.arguments?.find(({ name }) => name.value === argument)?.value;
  const bad = value?.kind === Kind.VARIABLE ? badItems?.get(value.name.value) : undefined;
  if (!bad) return [...valid];
  const rest = valid.values();
  return Array.from({ length: valid.length + bad.size }, (_, i) => bad.get(i) ?? (rest.next().value as T));
}

/** The storage reservation of the root field that is being resolved. */
export function reservationIdOf({ grant }: Context, { path }: GraphQLResolveInfo): string {
  const reservation = grant?.reservations.get(String(path.key));
  if (!reservation)
    throw new Error(`No storage is reserved for ${String(path.key)}; add @storageQuota to the field`);
  return reservation.id;
}
