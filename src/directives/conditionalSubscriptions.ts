import {
  type ASTVisitor,
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  OperationTypeNode,
  SingleFieldSubscriptionsRule,
  type ValidationContext,
  validate,
} from 'graphql';

/** Stand in for documents with a subscription whose field depends on a variable. */
const conditional = new WeakMap<DocumentNode, string>();

/**
 * graphql-js collects the fields of a subscription without the variables, and throws if one depends on a variable. That
 * would be an error of the server. Instead, the document is replaced before it is validated, by one that the rule below
 * rejects.
 */
export function markConditional(schema: GraphQLSchema, request: { document?: DocumentNode }): void {
  const { document } = request;
  const hasSubscription = document?.definitions.some(
    (definition) =>
      definition.kind === Kind.OPERATION_DEFINITION &&
      definition.operation === OperationTypeNode.SUBSCRIPTION,
  );
  if (!document || !hasSubscription) return;
  try {
    validate(schema, document, [SingleFieldSubscriptionsRule]);
  } catch (error) {
    const rejected: DocumentNode = { kind: Kind.DOCUMENT, definitions: [] };
    conditional.set(rejected, (error as Error).message);
    (request as { document: DocumentNode }).document = rejected;
  }
}

/** A rule for validation that rejects what `markConditional` has found. */
export function UnconditionalSubscriptionsRule(context: ValidationContext): ASTVisitor {
  return {
    Document(document) {
      const problem = conditional.get(document);
      if (problem === undefined) return;
      context.reportError(
        new GraphQLError(
          `The field of a subscription may not depend on a variable by @skip or @include: ${problem}`,
        ),
      );
    },
  };
}
