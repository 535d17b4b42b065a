import { type GraphQLSchema, getVariableValues, type OperationDefinitionNode } from 'graphql';
import { BillingError, bounded, ErrorCode } from '../errors.js';

/** @returns null for variables that do not fit: the execution reports them, and runs nothing */
export function coercedVariables(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  given: Record<string, unknown> | null | undefined,
): Record<string, unknown> | null {
  return coerce(schema, operation, given ?? {}).coerced ?? null;
}

/** @throws BAD_USER_INPUT with what graphql says of the first variable that does not fit */
export function coerceVariables(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  given: Record<string, unknown>,
): Record<string, unknown> {
  const { coerced, errors } = coerce(schema, operation, given);
  if (coerced) return coerced;
  throw new BillingError(
    ErrorCode.BAD_USER_INPUT,
    bounded(errors?.[0]?.message ?? 'The variables do not fit'),
  );
}

/** One error is enough: each quotes the whole variable. */
const coerce = (schema: GraphQLSchema, operation: OperationDefinitionNode, given: Record<string, unknown>) =>
  getVariableValues(schema, operation.variableDefinitions ?? [], given, { maxErrors: 1 });
