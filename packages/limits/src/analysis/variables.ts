import {
  type GraphQLInputType,
  type GraphQLSchema,
  getNullableType,
  getVariableValues,
  isInputObjectType,
  isLeafType,
  isListType,
  type OperationDefinitionNode,
  print,
  typeFromAST,
} from 'graphql';
import { BillingError, ErrorCode } from '../errors.js';

/** @returns null for invalid variables: the execution reports them and runs nothing */
export function coercedVariables(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  given: Record<string, unknown> | null | undefined,
): Record<string, unknown> | null {
  return coerce(schema, operation, given ?? {}).coerced ?? null;
}

/** @throws BAD_USER_INPUT with graphql's message for the first invalid variable */
export function coerceVariables(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  given: Record<string, unknown>,
): Record<string, unknown> {
  for (const { variable, type: node } of operation.variableDefinitions ?? []) {
    const { value: name } = variable.name;
    // Validation has checked that it is an input type.
    const type = typeFromAST(schema, node as never) as unknown as GraphQLInputType;
    const problem = Object.hasOwn(given, name) ? shapeProblem(given[name], type, [name]) : null;
    if (problem)
      throw rejected(`Variable "$${name}" of type "${print(node)}" got an invalid value${problem}`);
  }
  const { coerced, errors } = coerce(schema, operation, given);
  if (coerced) return coerced;
  throw rejected(errors?.[0]?.message ?? 'The variables do not fit');
}

/** Stops at the first error, because each quotes the whole variable. */
const coerce = (schema: GraphQLSchema, operation: OperationDefinitionNode, given: Record<string, unknown>) =>
  getVariableValues(schema, operation.variableDefinitions ?? [], given, { maxErrors: 1 });

const rejected = (message: string) => new BillingError(ErrorCode.BAD_USER_INPUT, message);

/** Scalars whose values may be objects. */
const OBJECT_SCALARS: readonly string[] = ['JSONObject', '_Any'];

/**
 * Finds the errors for which graphql would quote a value with all its fields, however many there are.
 * @returns null if there is none; graphql then checks the rest
 */
function shapeProblem(value: unknown, given: GraphQLInputType, path: readonly string[]): string | null {
  if (value === null || typeof value !== 'object') return null;
  const type = getNullableType(given);
  if (isListType(type)) {
    if (!Array.isArray(value)) return shapeProblem(value, type.ofType, path);
    for (const [i, item] of value.entries()) {
      // Most lists are the numbers of an embedding.
      if (typeof item !== 'object') continue;
      const problem = shapeProblem(item, type.ofType, [...path, String(i)]);
      if (problem) return problem;
    }
    return null;
  }
  if (isLeafType(type)) {
    return OBJECT_SCALARS.includes(type.name)
      ? null
      : `${at(path)}; Expected a value of type "${type.name}".`;
  }
  if (!isInputObjectType(type) || Array.isArray(value)) return null;
  const fields = type.getFields();
  // Not Object.entries: there may be tens of thousands of fields, and often the first is wrong.
  for (const name in value) {
    const inner = (value as Record<string, unknown>)[name];
    const field = fields[name];
    if (!field) return `${at(path)}; Field "${name.slice(0, 100)}" is not defined by type "${type.name}".`;
    const problem = shapeProblem(inner, field.type, [...path, name]);
    if (problem) return problem;
  }
  return null;
}

const at = (path: readonly string[]): string => (path.length === 1 ? '' : ` at "${path.join('.')}"`);
