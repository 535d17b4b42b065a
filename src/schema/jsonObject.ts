import { MAX_JSON_DEPTH, valueProblem } from '@continuum-billing/limits/core';
import { GraphQLError, GraphQLScalarType, Kind, type ObjectFieldNode, type ValueNode } from 'graphql';
import { GraphQLJSONObject } from 'graphql-scalars';

type Variables = Record<string, unknown> | null | undefined;

/** Below this, JavaScript prints a whole number in full even if it has lost some of its digits. */
const MAX_INEXACT = 1e21;

/**
 * A JSON object. A value that could not be stored exactly as it was sent is rejected: a literal can express things that
 * JSON cannot, and a variable can contain numbers that lose digits.
 */
export const JsonObjectScalar = new GraphQLScalarType<object>({
  ...GraphQLJSONObject.toConfig(),
  description:
    'A JSON object, such as {"page": 1}, as a value or as a literal. It is returned exactly as it was sent.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc8259',
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

/** @param path names and indexes that lead to the node; its maximum length bounds the recursion */
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
      throw rejected(path, `is the bare name ${node.value}, which is not JSON: put it in quotes`);
  }
}

/** A variable without a value omits its key, as in every input object. */
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

/**
 * A variable inside a literal is validated together with the other arguments, because graphql-js hides the reason of an
 * error that is thrown here. JSON has no dates.
 */
const variableOf = (value: unknown): unknown => (value instanceof Date ? value.toISOString() : value);

/** Finds a number that would be read back as a different one. The depth of the value has been checked before. */
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
