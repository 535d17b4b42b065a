import type * as mongo from 'mongodb';
import { z } from 'zod';
import { noSuch } from '../http/errors.js';
import { createdFilter, page, readPage } from '../http/pagination.js';
import { expand, flag, listOf, range, text } from '../http/params.js';
import { type Call, operation } from '../operation.js';
import type { EventDocument } from '../storage/documents.js';
import type { EventBody } from '../wire.js';

async function find({ tx }: Call, id: string, param?: string): Promise<EventDocument> {
  const found = await tx.collections.events.findOne({ _id: id });
  if (!found) throw noSuch('event', id, param);
  return found;
}

const answer = ({ body, delivery }: EventDocument): EventBody => ({
  ...body,
  pending_webhooks: delivery.state === 'delivered' ? 0 : 1,
});

/** `customer.*` stands for every type that begins so. */
const typeFilter = (type: string): mongo.Filter<EventDocument> =>
  type.endsWith('.*') ? { type: { $gte: type.slice(0, -1), $lt: `${type.slice(0, -2)}/` } } : { type };

export const eventOperations = [
  operation('GET', '/v1/events/:id', z.strictObject({ expand }), async (call) =>
    answer(await find(call, call.id)),
  ),
  operation(
    'GET',
    '/v1/events',
    z.strictObject({
      ...page,
      created: range,
      delivery_success: flag.optional(),
      type: text.optional(),
      types: listOf(text, 20).optional(),
    }),
    async (call, params) => {
      const delivered = params.delivery_success;
      const filters: mongo.Filter<EventDocument>[] = [
        createdFilter(params.created) as mongo.Filter<EventDocument>,
        params.type ? typeFilter(params.type) : {},
        params.types ? { type: { $in: params.types } } : {},
        delivered === undefined ? {} : { 'delivery.state': delivered ? 'delivered' : { $ne: 'delivered' } },
      ];
      const { documents, hasMore } = await readPage<EventDocument>(
        params,
        (cursor, param) => find(call, cursor, param),
        (filter, direction, limit) =>
          call.tx.collections.events
            .find({ $and: [...filters, filter as mongo.Filter<EventDocument>] })
            .sort({ created: direction, seq: direction })
            .limit(limit)
            .toArray(),
      );
      return { object: 'list', data: documents.map(answer), has_more: hasMore, url: call.path };
    },
  ),
];
