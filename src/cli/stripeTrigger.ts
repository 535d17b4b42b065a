import { CommandError, type Result } from './output.js';
import { remoteServer } from './remoteServer.js';

interface Trigger {
  event: string;
  /** Default: the oldest. */
  tenant?: string;
  /** The server's; default: as the environment says. */
  url?: string;
}

interface Answer {
  event?: string;
  tenantId?: string;
  stripeCustomerId?: string;
  error?: { code: string; message: string };
}

/** Makes a Stripe event happen at a server in mock mode. */
export async function triggerEvent(env: NodeJS.ProcessEnv, trigger: Trigger): Promise<Result> {
  const { url, operatorKey } = remoteServer({ env }, trigger.url);
  const response = await fetch(`${url}/mock/trigger`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': operatorKey },
    body: JSON.stringify({ event: trigger.event, tenantId: trigger.tenant }),
  }).catch((error: Error) => {
    const cause = error.cause instanceof Error ? error.cause : error;
    throw new CommandError('NETWORK_ERROR', `No server answers at ${url}: ${cause.message}`);
  });
  const answer = (await response.json().catch(() => ({}))) as Answer;
  if (response.status === 404 && answer.error?.code !== 'NOT_FOUND')
    throw new CommandError('FAILED', `The server at ${url} is not in mock mode`);
  if (!response.ok)
    throw new CommandError(
      answer.error?.code ?? 'FAILED',
      answer.error?.message ?? `HTTP ${response.status}`,
    );
  const { event, tenantId, stripeCustomerId } = answer;
  const text = `${event} happened to ${tenantId} (${stripeCustomerId})`;
  return { json: { event, tenantId, stripeCustomerId }, text };
}
