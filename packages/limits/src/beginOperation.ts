import { type DocumentNode, type GraphQLSchema, getOperationAST } from 'graphql';
import { coercedVariables } from './analysis/variables.js';
import { enforcedOf } from './enforceLimits.js';
import { badInput } from './errors.js';
import type { AdmittedOperation } from './guard.js';

export interface OperationRequest {
  /** A document that is valid for the schema. */
  document: DocumentNode;
  operationName?: string | null | undefined;
  /** As the client sent them. */
  variables?: Record<string, unknown> | null | undefined;
  /** The context value of the execution. */
  context: object;
}

/**
 * Decides an operation before its execution, for servers that have no plugin in this package.
 * @returns the headers of the response, and `end`, which must be called with the result of the execution
 * @throws a GraphQLError with a code, a status and headers if the operation is rejected
 */
export async function beginOperation(
  schema: GraphQLSchema,
  request: OperationRequest,
): Promise<AdmittedOperation> {
  const { document, operationName, variables: given, context } = request;
  const { guard, callerOf, address, admit } = enforcedOf(schema);
  const operation = getOperationAST(document, operationName);
  if (!operation) throw badInput('operationName', 'names no operation of the document');
  const variables = coercedVariables(schema, operation, given);
  if (!variables) throw badInput('variables', 'do not fit the operation');
  const caller = await callerOf(context);
  const admitted = await guard.begin({ document, operation, variables, caller, address: address(context) });
  admit(context, { operation }, admitted);
  return admitted;
}
