import mongoose from 'mongoose';
import { callsInHour, TENANTS } from './tenants.mjs';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const HISTORY_DAYS = 90;
/** How many of the rejections of a thousand calls are of each reason. */
const REJECTED = { minute: 3.1, day: 1.4, feature: 0.5, storage: 0.3, concurrent: 0.2 };

/**
 * Writes into a server's database what only time could: figures of the last days, yesterday's calls by hour, and a webhook
 * event that could not be applied.
 */
export async function writeHistory(mongodbUri, nowMs = Date.now()) {
  const client = await mongoose.mongo.MongoClient.connect(mongodbUri);
  try {
    const db = client.db();
    await writeActivity(db, nowMs);
    await writeDays(db, nowMs);
    await spreadTenants(db, nowMs);
    await failOneEvent(db, nowMs);
  } finally {
    await client.close();
  }
}

async function writeActivity(db, nowMs) {
  const now = Math.floor(nowMs / HOUR_MS);
  for (let hour = now - 48; hour <= now; hour += 1) {
    const id = new Date(hour * HOUR_MS).toISOString().slice(0, 13);
    const part = hour === now ? (nowMs % HOUR_MS) / HOUR_MS : 1;
    const calls = Math.round(part * TENANTS.reduce((sum, tenant) => sum + callsInHour(tenant, hour, now), 0));
    const rejected = Object.fromEntries(
      Object.entries(REJECTED).map(([reason, share]) => [reason, Math.round((calls * share) / 10_000)]),
    );
    await db
      .collection('hourly_activity')
      .updateOne(
        { _id: id },
        { $set: { 'by.demo': { calls, rejected }, expiresAt: new Date(nowMs + 7 * DAY_MS) } },
        { upsert: true },
      );
  }
}

/** Figures that grew to those of today. */
async function writeDays(db, nowMs) {
  const counts = await db.collection('tenant_counts').findOne({ _id: 'tenants' });
  if (!counts) throw new Error('The server has not counted its tenants yet');
  const scaled = (value, share) =>
    typeof value === 'number'
      ? Math.round(value * share)
      : Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, scaled(inner, share)]));
  for (let ago = 1; ago <= HISTORY_DAYS; ago += 1) {
    const day = new Date(nowMs - ago * DAY_MS).toISOString().slice(0, 10);
    const share = 1 - 0.45 * (ago / HISTORY_DAYS) ** 0.8;
    await db.collection('daily_figures').updateOne(
      { _id: day },
      {
        $set: {
          figures: scaled(counts.live, share),
          calls: Math.round(1_300_000 * share * (ago % 7 < 2 ? 0.5 : 1)),
          rejections: Math.round(700 * share),
          created: ago % 4 === 0 ? 1 : 0,
          startedPaying: ago % 6 === 0 ? 1 : 0,
          stoppedPaying: ago % 23 === 0 ? 1 : 0,
          at: new Date(nowMs - ago * DAY_MS),
          expiresAt: new Date(nowMs + 400 * DAY_MS),
        },
      },
      { upsert: true },
    );
  }
}

/** Tenants came one after the other, not all today. */
async function spreadTenants(db, nowMs) {
  const tenants = await db
    .collection('tenants')
    .find({}, { projection: { _id: 1 } })
    .sort({ _id: 1 })
    .toArray();
  const stepMs = (HISTORY_DAYS * 2 * DAY_MS) / tenants.length;
  for (const [index, { _id }] of tenants.entries()) {
    const createdAt = new Date(nowMs - (tenants.length - index) * stepMs);
    await db.collection('tenants').updateOne({ _id }, { $set: { createdAt } });
  }
  const today = new Date(nowMs).toISOString().slice(0, 10);
  await db
    .collection('daily_figures')
    .updateOne({ _id: today }, { $set: { created: 1, startedPaying: 1, stoppedPaying: 0 } });
}

async function failOneEvent(db, nowMs) {
  const events = db.collection('webhook_events');
  const event = await events.findOne({ type: 'customer.updated', state: 'APPLIED' });
  if (!event) return;
  const lastError = 'Stripe does not show the customer to this key';
  await events.updateOne(
    { _id: event._id },
    { $set: { state: 'FAILED', attempts: 100, lastError, reason: null, endedAt: new Date(nowMs) } },
  );
}
