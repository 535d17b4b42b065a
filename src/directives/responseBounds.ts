import type { GraphQLResponse } from '@apollo/server';
import {
  defaultFieldResolver,
  type FormattedExecutionResult,
  type GraphQLFieldResolver,
  type GraphQLSchema,
  getNamedType,
  isLeafType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { responseTooLarge } from '../common/errors.js';
import type { ResponseBudget } from '../services/infrastructure/responseBudget.js';
import { exceeds } from './largeResults.js';

export interface BoundedContext {
  readonly budget: ResponseBudget;
}

/** The quotes, colon and comma around a field's name. */
const PUNCTUATION_BYTES = 4;

/**
 * Counts every scalar against the budget of the response as soon as it is resolved. Changes the schema in place.
 */
export function boundResponses(schema: GraphQLSchema): void {
  const types = Object.values(schema.getTypeMap()).filter(isObjectType);
  for (const type of types.filter(({ name }) => !name.startsWith('__'))) {
    for (const field of Object.values(type.getFields())) {
      if (!isLeafType(getNamedType(field.type))) continue;
      field.resolve = counted(field.resolve ?? defaultFieldResolver, !isNonNullType(field.type));
    }
  }
}

type Resolve = GraphQLFieldResolver<unknown, BoundedContext>;

function counted(resolve: Resolve, nullable: boolean): Resolve {
  return (source, args, context, info) => {
    const { budget } = context;
    const nameBytes = String(info.path.key).length + PUNCTUATION_BYTES;
    const value = resolve(source, args, context, info);
    if (!(value instanceof Promise)) return budget.write(value, nameBytes, nullable) ? value : null;
    return value.then((resolved) => (budget.write(resolved, nameBytes, nullable) ? resolved : null));
  };
}

/**
 * Replaces a response that is larger than its budget by an error. The response of a mutation stays: it is bounded while
 * it runs, and changes that were made must not look failed. Unlike the budget, this check also counts introspection,
 * errors and the names of objects.
 */
export async function boundResponse({ body }: GraphQLResponse, budget: ResponseBudget): Promise<void> {
  if (body.kind === 'single') body.singleResult = await boundResult(body.singleResult, budget);
}

/** @returns the result, or the error in its place */
export async function boundResult(
  result: FormattedExecutionResult,
  { maxBytes, exceeded, isMutation }: ResponseBudget,
): Promise<FormattedExecutionResult> {
  const bound = isMutation ? Number.POSITIVE_INFINITY : maxBytes;
  if ((isMutation || !exceeded) && !(await exceeds(result, bound))) return result;
  const { message, code, status, details } = responseTooLarge(maxBytes);
  const extensions = { ...details, code, http: { status } };
  return { errors: [{ message, extensions }], data: null };
}
