/**
 * The text of a GraphQL operation, typed by its result and its variables. Documents of GraphQL Code Generator with
 * `documentMode: 'string'` fit, and so does a plain string.
 */
export interface TypedDocument<TData, TVariables> {
  toString(): string;
  /** Only for types: nothing is stored here. */
  __apiType?: (variables: TVariables) => TData;
}

export type DataOf<TDocument> = TDocument extends TypedDocument<infer TData, never> ? TData : never;
