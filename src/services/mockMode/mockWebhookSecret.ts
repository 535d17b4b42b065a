import { randomBytes } from 'node:crypto';
import type { Connection } from 'mongoose';

/** The secret with which the mock signs webhooks: one for all instances on a database, made by the first. */
export async function loadMockWebhookSecret(connection: Connection): Promise<string> {
  const settings = connection.collection<{ _id: string; value: string }>('settings');
  const stored = await settings.findOneAndUpdate(
    { _id: 'mockWebhookSecret' },
    { $setOnInsert: { value: `whsec_mock_${randomBytes(24).toString('base64url')}` } },
    { upsert: true, returnDocument: 'after' },
  );
  if (!stored) throw new Error("The mock's webhook secret was not stored");
  return stored.value;
}
