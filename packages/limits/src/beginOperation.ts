import { type DocumentNode, type GraphQLSchema, getOperationAST } from 'graphql';
import { coercedVariables } from './analysis/variables.js';
import { enforcedOf } from './enforceLimits.js';
import { badInput } from './errors.js';
import type { AdmittedOperation } from './guard.js';

export interface OperationRequest {
  /** Valid for the schema. */
  document: DocumentNode;
  operationName?: string | null | undefined;
  /** As the client sent them. */
  variables?: Record<string, unknown> | null | undefined;
  /** What the execution will be given. */
  context: object;
}

/**
 * For servers without a plugin here: decides an operation before its execution, which then asks nothing more.
 * @returns its headers, and `end`, to be called with what the execution answered
 * @throws a GraphQLError with a code, a status and headers, when the operation may not run
 */
export async function beginOperation(
  schema: GraphQLSchema,
  request: OperationRequest,
): Promise<AdmittedOperation> {
  const { document, operationName, variables: given, context } = request;
  const { guard, apiKey, address, admit } = enforcedOf(schema);
  const operation = getOperationAST(document, operationName);
  if (!operation) throw badInput('operationName', 'names no operation of the document');
  const variables = coercedVariables(schema, operation, given);
  if (!variables) throw badInput('variables', 'do not fit the operation');
  const caller = { apiKey: apiKey(context), address: address(context) };
  const admitted = await guard.begin({ document, operation, variables, ...caller });
  admit(context, { operation }, admitted);
  return admitted;
}
