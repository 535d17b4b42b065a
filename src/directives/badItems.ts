import { type Rules } from '@continuum-billing/limits/core';
import {
  coerceInputValue,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isListType,
  type OperationDefinitionNode,
  typeFromAST,
} from 'graphql';
import { bounded } from '../common/errors.js';

/** List items in variables that do not match their type: the item and the reason, by variable and index. */
export type BadItems = ReadonlyMap<string, ReadonlyMap<number, BadItem>>;

export interface BadItem {
  item: unknown;
  reason: string;
}

/** A longer list is rejected as a whole. */
const MAX_ITEMS = 1_000;

/** @returns the input types whose lists are handled item by item according to the rules */
export function itemTypesOf(schema: GraphQLSchema, rules: Rules): ReadonlySet<string> {
  const types = new Set<string>();
  for (const [coordinate, { oneByOne }] of rules) {
    if (oneByOne === null) continue;
    const [, field = ''] = coordinate.split('.');
    const argument = schema
      .getMutationType()
      ?.getFields()
      [field]?.args.find(({ name }) => name === oneByOne);
    if (argument) types.add(getNamedType(argument.type).name);
  }
  return types;
}

/**
 * Removes list items that do not match their type from the variables, so that the resolver can report on each of them.
 * Without this, graphql-js rejects the whole request because of one bad item.
 * @param given the variables that graphql-js rejected
 * @returns null if no item can be removed
 */
export function removeBadItems(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  given: Record<string, unknown>,
  itemTypes: ReadonlySet<string>,
): { variables: Record<string, unknown>; badItems: BadItems } | null {
  const variables = { ...given };
  const badItems = new Map<string, ReadonlyMap<number, BadItem>>();
  for (const { variable, type: node } of operation.variableDefinitions ?? []) {
    const name = variable.name.value;
    const type = typeFromAST(schema, node as never) as GraphQLInputType | undefined;
    const list = type && getNullableType(type);
    const items = given[name];
    if (!isListType(list) || !itemTypes.has(getNamedType(list).name)) continue;
    if (!Array.isArray(items) || items.length > MAX_ITEMS) continue;
    const bad = new Map<number, BadItem>();
    for (const [i, item] of items.entries()) {
      const reason = reasonOf(item, list.ofType);
      if (reason !== null) bad.set(i, { item, reason });
    }
    if (bad.size === 0) continue;
    badItems.set(name, bad);
    variables[name] = items.filter((_, i) => !bad.has(i));
  }
  return badItems.size > 0 ? { variables, badItems } : null;
}

/** @returns why the item does not match the type; null if it does */
function reasonOf(item: unknown, type: GraphQLInputType): string | null {
  let reason: string | null = null;
  coerceInputValue(item, type, (path, _value, { message }) => {
    reason ??= bounded(path.length > 0 ? `${path.join('.')}: ${message}` : message);
  });
  return reason;
}
