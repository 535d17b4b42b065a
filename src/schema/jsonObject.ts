import { MAX_JSON_DEPTH, valueProblem } from '@continuum-billing/limits/core';
import { GraphQLError, GraphQLScalarType, Kind, type ObjectFieldNode, type ValueNode } from 'graphql';
import { GraphQLJSONObject } from 'graphql-scalars';

type Variables = Record<string, unknown> | null | undefined;

/** Whole numbers that JavaScript would print in full, though not all their digits are kept. */
const MAX_INEXACT = 1e21;

/**
 * An object of JSON. What could not be stored just as it was sent is rejected: a literal may say more than JSON can, and
 * a variable more than a number can hold.
 */
export const JsonObjectScalar = new GraphQLScalarType<object>({
  ...GraphQLJSONObject.toConfig(),
  parseValue(value) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notAnObject();
    const wrong = valueProblem(value, MAX_JSON_DEPTH) ?? inexactNumber(value, []);
    if (wrong) throw rejected(wrong.path, wrong.problem);
    return value;
  },
  parseLiteral(node, variables) {
    if (node.kind !== Kind.OBJECT) throw notAnObject();
    return jsonOf(node, variables, []) as object;
  },
});

const notAnObject = () => new GraphQLError('JSONObject must be an object');

const rejected = (path: readonly string[], problem: string) =>
  new GraphQLError(`JSONObject${path.length > 0 ? `: ${path.join('.')}` : ''} ${problem}`);

/** @param path of names and indexes; as deep as a value may be at most, so that the recursion is bounded */
function jsonOf(node: ValueNode, variables: Variables, path: readonly string[]): unknown {
  if (path.length > MAX_JSON_DEPTH) throw rejected([], 'is nested too deeply');
  switch (node.kind) {
    case Kind.OBJECT:
      return objectOf(node.fields, variables, path);
    case Kind.LIST:
      return node.values.map((item, i) => jsonOf(item, variables, [...path, String(i)]) ?? null);
    case Kind.VARIABLE:
      return variableOf(variables?.[node.name.value]);
    case Kind.INT:
    case Kind.FLOAT:
      return checked(Number(node.value), path);
    case Kind.STRING:
      return checked(node.value, path);
    case Kind.BOOLEAN:
      return node.value;
    case Kind.NULL:
      return null;
    case Kind.ENUM:
      throw rejected(path, `is the name ${node.value}, which JSON does not have: put it in quotes`);
  }
}

/** A variable that is not given leaves its key out, as in every input object. */
function objectOf(fields: readonly ObjectFieldNode[], variables: Variables, path: readonly string[]): object {
  const made = new Map<string, unknown>();
  for (const { name, value } of fields) {
    const key = name.value;
    if (key === '__proto__') throw rejected(path, 'must not have the key "__proto__"');
    if (made.has(key)) throw rejected(path, `has the key "${key}" twice`);
    made.set(key, jsonOf(value, variables, [...path, key]));
  }
  return Object.fromEntries([...made].filter(([, value]) => value !== undefined));
}

function checked<T extends string | number>(value: T, path: readonly string[]): T {
  const wrong = valueProblem(value) ?? inexactNumber(value, []);
  if (wrong) throw rejected(path, wrong.problem);
  return value;
}

/** Checked with the other arguments: graphql-js would keep the reason of an error here to itself. JSON has no dates. */
const variableOf = (value: unknown): unknown => (value instanceof Date ? value.toISOString() : value);

/** A number with more digits than are kept: it would come back as another one. The value's depth is known to be bounded. */
function inexactNumber(
  value: unknown,
  path: readonly string[],
): { path: readonly string[]; problem: string } | null {
  if (typeof value === 'number') {
    const isExact = !Number.isInteger(value) || Number.isSafeInteger(value) || Math.abs(value) >= MAX_INEXACT;
    return isExact
      ? null
      : { path, problem: 'is a whole number past 2^53, which loses digits: send it as a string' };
  }
  if (value === null || typeof value !== 'object') return null;
  for (const [key, item] of Object.entries(value)) {
    const wrong = inexactNumber(item, [...path, key]);
    if (wrong) return wrong;
  }
  return null;
}
