import type * as mongo from 'mongodb';
import type { EventDocument, ObjectDocument, RequestDocument, SettingDocument } from './documents.js';

const KEY_LIFE_S = 24 * 3600;

export interface Collections {
  objects: mongo.Collection<ObjectDocument>;
  events: mongo.Collection<EventDocument>;
  requests: mongo.Collection<RequestDocument>;
  settings: mongo.Collection<SettingDocument>;
}

export function openCollections(db: mongo.Db): Collections {
  return {
    objects: db.collection('mock_stripe_objects'),
    events: db.collection('mock_stripe_events'),
    requests: db.collection('mock_stripe_requests'),
    settings: db.collection('mock_stripe_settings'),
  };
}

/** Collections and indexes are made before any transaction needs them. */
export async function prepareCollections({
  objects,
  events,
  requests,
  settings,
}: Collections): Promise<void> {
  await Promise.all([
    objects.createIndexes([
      { key: { object: 1, created: -1, seq: -1 } },
      { key: { 'refs.customer': 1, object: 1, created: -1, seq: -1 } },
      { key: { 'refs.subscription': 1, object: 1, created: -1, seq: -1 } },
      { key: { object: 1, 'refs.status': 1, created: -1, seq: -1 } },
      { key: { 'refs.email': 1, object: 1, created: -1, seq: -1 } },
      { key: { dueAt: 1, seq: 1 }, partialFilterExpression: { dueAt: { $gt: 0 } } },
    ]),
    events.createIndexes([
      { key: { created: -1, seq: -1 } },
      { key: { customer: 1, created: -1, seq: -1 } },
      { key: { 'delivery.state': 1, 'delivery.nextAttemptAt': 1, seq: 1 } },
    ]),
    requests.createIndexes([{ key: { createdAt: 1 }, expireAfterSeconds: KEY_LIFE_S }]),
    settings.updateOne(
      { _id: 'clock' },
      { $setOnInsert: { offsetMs: 0, targetOffsetMs: 0 } },
      { upsert: true },
    ),
  ]);
}
