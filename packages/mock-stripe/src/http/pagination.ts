import type * as mongo from 'mongodb';
import { z } from 'zod';
import type { ObjectDocument } from '../storage/documents.js';
import type { Kind, Tx } from '../storage/store.js';
import type { ListBody } from '../wire.js';
import { invalidRequest } from './errors.js';
import { expand, integer, range, text } from './params.js';

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 100;

/** The parameters of every list. */
export const page = {
  limit: integer.optional(),
  starting_after: text.optional(),
  ending_before: text.optional(),
  expand,
};
const pageSchema = z.object(page);
export type Page = z.infer<typeof pageSchema>;

export interface Place {
  _id: string;
  created: number;
  seq: number;
}

export type Fetch<Document> = (
  filter: mongo.Filter<Place>,
  direction: 1 | -1,
  limit: number,
) => Promise<Document[]>;

/** Reads one page, newest first. @throws MockStripeError for a cursor or limit that is not one */
export async function readPage<Document extends Place>(
  { limit = DEFAULT_LIMIT, starting_after: after, ending_before: before }: Page,
  place: (cursor: string, param: string) => Promise<Place>,
  fetch: Fetch<Document>,
): Promise<{ documents: Document[]; hasMore: boolean }> {
  if (limit < 1 || limit > MAX_LIMIT) {
    throw invalidRequest(`This limit must be between 1 and ${MAX_LIMIT}.`, { param: 'limit' });
  }
  if (after !== undefined && before !== undefined) {
    throw invalidRequest('You may only specify one of these parameters: starting_after, ending_before.');
  }
  const cursor = after ?? before;
  const backwards = before !== undefined;
  const from =
    cursor === undefined ? null : await place(cursor, backwards ? 'ending_before' : 'starting_after');
  const documents = await fetch(from ? beyond(from, backwards) : {}, backwards ? 1 : -1, limit + 1);
  const hasMore = documents.length > limit;
  const kept = documents.slice(0, limit);
  return { documents: backwards ? kept.reverse() : kept, hasMore };
}

function beyond({ created, seq }: Place, backwards: boolean): mongo.Filter<Place> {
  const past = backwards ? '$gt' : '$lt';
  return { $or: [{ created: { [past]: created } }, { created, seq: { [past]: seq } }] };
}

/** @param created the list's `created` parameter */
export function createdFilter(created: z.infer<typeof range>): mongo.Filter<ObjectDocument> {
  if (!created) return {};
  const bounds = Object.entries(created).filter(([, at]) => at !== undefined);
  return { created: Object.fromEntries(bounds.map(([bound, at]) => [`$${bound}`, at])) };
}

/** One page of a kind's objects. */
export async function listObjects<Body, Hidden>(
  { tx, path }: { tx: Tx; path: string },
  kind: Kind<Body, Hidden>,
  params: Page,
  filters: mongo.Filter<ObjectDocument>[],
): Promise<ListBody<Body>> {
  const { objects } = tx.collections;
  const { documents, hasMore } = await readPage<ObjectDocument>(
    params,
    (cursor, param) => tx.get(kind, cursor, param),
    (filter, direction, limit) =>
      objects
        .find({ $and: [{ object: kind.object, deleted: { $exists: false } }, ...filters, filter] })
        .sort({ created: direction, seq: direction })
        .limit(limit)
        .toArray(),
  );
  return { object: 'list', data: documents.map(({ body }) => body as Body), has_more: hasMore, url: path };
}
