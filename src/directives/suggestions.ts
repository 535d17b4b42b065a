import type { GraphQLFormattedError } from 'graphql';

/** How graphql-js ends a message, in validation and in the coercion of variables. */
const SUGGESTION = / Did you mean [^?]+\?/g;

/**
 * The error without the names that graphql-js suggests: by them a schema can be read that introspection does not show.
 */
export function withoutSuggestions({
  message,
  extensions,
  ...error
}: GraphQLFormattedError): GraphQLFormattedError {
  const hide = (text: string) => text.replace(SUGGESTION, '');
  const { problem } = extensions ?? {};
  return {
    ...error,
    message: hide(message),
    ...(extensions && {
      extensions: { ...extensions, ...(typeof problem === 'string' && { problem: hide(problem) }) },
    }),
  };
}
