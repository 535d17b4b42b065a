import { ArgsType, type ClassType, Field, Int, ObjectType } from 'type-graphql';
import { encodeCursor } from '../common/cursors.js';
import { Max, MaxLength, Min } from './constraints.js';

export { decodeCursor, encodeCursor } from '../common/cursors.js';

export const MAX_PAGE = 100;
export const DEFAULT_PAGE = 20;

@ObjectType({ description: 'The position of a page in the whole list.' })
export class PageInfo {
  @Field()
  hasNextPage!: boolean;

  @Field()
  hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true })
  startCursor!: string | null;

  @Field(() => String, { nullable: true })
  endCursor!: string | null;
}

@ArgsType()
export class PageArgs {
  @Field(() => Int, {
    nullable: true,
    defaultValue: DEFAULT_PAGE,
    description: `Maximum number of items, 1 to ${MAX_PAGE}.`,
  })
  @Min(1)
  @Max(MAX_PAGE)
  first?: number | null;

  @Field(() => String, { nullable: true, description: 'The cursor of the last item of the previous page.' })
  @MaxLength(200)
  after?: string | null;
}

export interface Edge<T> {
  node: T;
  cursor: string;
}

export interface Connection<T> {
  edges: Edge<T>[];
  pageInfo: PageInfo;
}

/** Defines the Relay types `<Node>Connection` and `<Node>Edge` for a node type. */
export function connectionOf<T extends object>(nodeName: string, node: () => ClassType<T>) {
  @ObjectType(`${nodeName}Edge`)
  class EdgeType implements Edge<T> {
    @Field(node)
    node!: T;

    @Field()
    cursor!: string;
  }

  @ObjectType(`${nodeName}Connection`)
  class ConnectionType implements Connection<T> {
    @Field(() => [EdgeType])
    edges!: EdgeType[];

    @Field(() => PageInfo)
    pageInfo!: PageInfo;
  }
  return ConnectionType;
}

/**
 * Makes a Relay connection of one page of documents.
 * @param keyOf the sort key of a document, which its cursor encodes
 */
export function connect<D, T>(
  docs: readonly D[],
  hasNextPage: boolean,
  after: string | null | undefined,
  keyOf: (doc: D) => string,
  nodeOf: (doc: D) => T,
): Connection<T> {
  const edges = docs.map((doc) => ({ node: nodeOf(doc), cursor: encodeCursor(keyOf(doc)) }));
  return {
    edges,
    pageInfo: {
      hasNextPage,
      hasPreviousPage: Boolean(after),
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}
