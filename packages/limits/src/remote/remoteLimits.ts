import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { MAX_COST, MAX_NAME_LENGTH, MAX_PARTS } from '../bounds.js';
import { createConcurrency } from '../concurrency.js';
import {
  BillingError,
  badInput,
  ErrorCode,
  rateLimited,
  serviceUnavailable,
  unauthenticated,
} from '../errors.js';
import { createGroupCommit } from '../groupCommit.js';
import { isCredential } from '../keyFormat.js';
import {
  type Caller,
  type CallerGrant,
  type CallerIdentity,
  type CallerRefusal,
  identityOf,
  type Limits,
  type OperationCost,
  type Outcome,
} from '../limits.js';
import { halvesOf, inBatches } from './batches.js';
import { createBillingClient, ServerRejection } from './billingClient.js';
import { checkOptions, DEFAULT_TIMEOUT_MS, type RemoteLimitsOptions } from './remoteOptions.js';
import type { EndedOperation, RemoteDecision, RemoteOperation } from './wire.js';

type Taken = Extract<RemoteDecision, { allowed: true }>;

interface WaitingOperation {
  operation: RemoteOperation;
  resolve(decision: RemoteDecision): void;
  reject(error: Error): void;
}

interface WaitingEnd {
  ended: EndedOperation;
  resolve(): void;
}

const MAX_WAITING = 10_000;
/** After a failure, requests fail fast for this time; then the next one retries. */
const AWAY_MS = 1_000;
const MAX_REMEMBERED = 50_000;
/** Decisions that count nothing may be a little stale. Counted calls always ask the server. */
const FEATURES_MS = 10_000;
const REJECTED_MS = 250;
const UNKNOWN_KEY_MS = 5_000;
const CHARACTERS_PER_PART = 400;

/**
 * Decides by asking a billing server. Operations that arrive during a request share the next one.
 * @throws an Error that lists all invalid options, or if the server does not respond as a billing server does to a service
 *   key
 */
export async function remoteLimits(options: RemoteLimitsOptions): Promise<Limits> {
  const { whenAway, serviceKey, timeoutMs = DEFAULT_TIMEOUT_MS, onAway = warn } = options;
  checkOptions(options);
  const url = options.url.endsWith('/') ? options.url : `${options.url}/`;
  const client = createBillingClient({ url, serviceKey, timeoutMs });
  const concurrency = createConcurrency();
  /** Decisions that counted nothing, and rejections that would be repeated. */
  const remembered = new LRUCache<string, RemoteDecision>({ max: MAX_REMEMBERED });
  /** The tenant of each caller, and how many concurrent requests it may have. */
  const known = new LRUCache<string, Pick<Taken, 'tenantId' | 'tier' | 'concurrentRequests'>>({
    max: MAX_REMEMBERED,
  });
  let awayUntilMs = 0;
  let catalogue: Awaited<ReturnType<typeof client.catalogue>> | null = null;
  const deciding = createGroupCommit<WaitingOperation>(decideAll, MAX_WAITING);
  const ending = createGroupCommit<WaitingEnd>(endAll, MAX_WAITING);

  const isKnownAway = () => performance.now() < awayUntilMs;

  function isAway(error: Error): void {
    if (isKnownAway()) return;
    awayUntilMs = performance.now() + AWAY_MS;
    onAway(error);
  }

  async function decideAll(waiting: WaitingOperation[]): Promise<void> {
    for (const batch of inBatches(waiting, partsDecided)) await decideBatch(batch);
  }

  async function decideBatch(batch: WaitingOperation[]): Promise<void> {
    try {
      if (isKnownAway()) throw new Error('The billing server was away a moment ago');
      const decisions = await client.decide(batch.map(({ operation }) => operation));
      for (const [i, { resolve }] of batch.entries()) resolve(decisions[i] as RemoteDecision);
    } catch (thrown) {
      const error = thrown as Error;
      if (isRejectedInput(error)) return decideApart(batch, error);
      isAway(error);
      for (const { reject } of batch) reject(error);
    }
  }

  /** The server rejects a request as a whole, so an invalid operation must not cause the others to be rejected. */
  async function decideApart(batch: WaitingOperation[], error: Error): Promise<void> {
    const [first, ...others] = batch;
    if (others.length === 0) return first?.reject(badInput('query', `cannot be decided: ${error.message}`));
    for (const half of halvesOf(batch)) await decideBatch(half);
  }

  async function endAll(waiting: WaitingEnd[]): Promise<void> {
    for (const batch of inBatches(waiting, partsEnded)) {
      await endBatch(batch);
      for (const { resolve } of batch) resolve();
    }
  }

  /** Sent at most once, so that no call is returned twice. If the message is lost, the calls stay counted. */
  async function endBatch(batch: readonly WaitingEnd[]): Promise<void> {
    if (isKnownAway()) return;
    try {
      await client.end(batch.map(({ ended }) => ended));
    } catch (thrown) {
      const error = thrown as Error;
      if (!isRejectedInput(error)) return isAway(error);
      if (batch.length === 1) return onAway(error);
      for (const half of halvesOf(batch)) await endBatch(half);
    }
  }

  const ask = (operation: RemoteOperation): Promise<RemoteDecision> =>
    new Promise((resolve, reject) => deciding.submit({ operation, resolve, reject }));

  /** @returns a remembered decision, or null */
  function recall(digest: string, cost: OperationCost): RemoteDecision | null {
    const kinds = ['caller'];
    if (!isCounted(cost)) kinds.push(featuresKey(cost));
    if (cost.charges.length > 0) kinds.push('full');
    for (const kind of kinds) {
      const decision = remembered.get(`${digest}:${kind}`);
      if (decision) return decision;
    }
    return null;
  }

  function remember(digest: string, cost: OperationCost, decision: RemoteDecision): void {
    const keep = (kind: string, ttl: number) => remembered.set(`${digest}:${kind}`, decision, { ttl });
    if (!decision.allowed) {
      const { code, details } = decision.error;
      if (code === ErrorCode.UNAUTHENTICATED) keep('caller', UNKNOWN_KEY_MS);
      // That there is no such tenant is not remembered: the next request may be after its sign-up.
      // A field's own limit says nothing about other fields.
      const ofTenant = details.window === 'day' || details.window === 'minute';
      if (code === ErrorCode.RATE_LIMITED && ofTenant && details.remaining === 0) keep('full', REJECTED_MS);
      return;
    }
    const { tenantId, tier, concurrentRequests } = decision;
    known.set(digest, { tenantId, tier, concurrentRequests });
    if (!isCounted(cost)) keep(featuresKey(cost), FEATURES_MS);
  }

  async function decide(caller: Caller, cost: OperationCost, digest: string): Promise<RemoteDecision | null> {
    const recalled = recall(digest, cost);
    if (recalled) return recalled;
    const { concurrent: _, ...asked } = cost;
    let decision: RemoteDecision;
    try {
      decision = await ask({ ...caller, cost: asked });
    } catch (error) {
      // The server is not away: this operation is too large, or too many operations wait.
      if (error instanceof BillingError) throw error;
      if (whenAway === 'allow') return null;
      throw serviceUnavailable('The billing server does not answer; try again shortly', 2);
    }
    remember(digest, cost, decision);
    return decision;
  }

  function granted(decision: Taken, endSlot: () => void): CallerGrant {
    const { tenantId, tier, headers } = decision;
    return {
      kind: 'granted',
      tenantId,
      tier,
      headers,
      async end(outcome) {
        endSlot();
        const ended = endedOf(decision, outcome);
        if (!ended) return;
        await new Promise<void>((resolve) => ending.submit({ ended, resolve }));
      },
    };
  }

  async function take(caller: Caller, cost: OperationCost): Promise<CallerGrant | CallerRefusal> {
    checkIdentity(caller);
    checkBounds(cost);
    // A key itself is not kept.
    const digest = `${hash('sha256', identityOf(caller).join(), 'base64')}:${caller.scope}`;
    const endSlot = cost.concurrent ? await takeSlot(digest) : () => {};
    if (!endSlot) return tooMany(digest);
    try {
      const decision = await decide(caller, cost, digest);
      if (decision?.allowed) return granted(decision, endSlot);
      endSlot();
      if (!decision) return away(known.get(digest) ?? null);
      return { kind: 'refused', error: decision.error, headers: decision.headers };
    } catch (error) {
      endSlot();
      throw error;
    }
  }

  /** The limit of a key is unknown until its first decision, so its first operations are not limited. */
  const takeSlot = (digest: string) =>
    concurrency.begin(
      known.get(digest)?.tenantId ?? digest,
      known.get(digest)?.concurrentRequests ?? Number.POSITIVE_INFINITY,
    );

  function tooMany(digest: string): CallerRefusal {
    const limit = known.get(digest)?.concurrentRequests ?? 0;
    const tier = known.get(digest)?.tier ?? '';
    // A server that was away at the start has not said where.
    const upgradeUrl = catalogue?.upgradeUrl ?? new URL('upgrade', url).href;
    const error = rateLimited(
      `Rate limit exceeded (${limit} concurrent request${limit === 1 ? '' : 's'}). Wait for one to end; upgrade at ${upgradeUrl}`,
      { limit, window: 'concurrent', remaining: 0, requested: 1, resetsAt: inOneSecond(), tier, upgradeUrl },
      1,
    );
    return { kind: 'refused', error, headers: new Map() };
  }

  try {
    catalogue = await client.catalogue();
  } catch (error) {
    if (isMistake(error as Error)) throw error;
    isAway(error as Error);
  }

  return {
    features: catalogue?.features ?? null,
    resources: catalogue?.resources ?? null,
    take,
    free: client.free,
    async close() {
      await deciding.idle();
      await ending.idle();
    },
  };
}

/** Whether the options are wrong, so that the server will always respond this way. */
const isMistake = (error: Error): boolean =>
  error instanceof ServerRejection && error.status >= 300 && error.status < 500 && error.status !== 429;

const isRejectedInput = (error: Error): boolean =>
  error instanceof ServerRejection && (error.code === ErrorCode.BAD_USER_INPUT || error.status === 413);

const partsOf = ({ charges, features, fieldLimits, stores }: RemoteOperation['cost']): number[] => [
  charges.length,
  features.length,
  fieldLimits.length,
  stores.size,
];

/**
 * Rejects an operation that exceeds the server's bounds.
 * @throws BAD_USER_INPUT
 */
function checkBounds(cost: OperationCost): void {
  if (Math.max(...partsOf(cost)) > MAX_PARTS)
    throw badInput('query', `selects more than ${MAX_PARTS} fields that are limited by themselves; split it`);
  if (cost.charges.some(({ calls }) => calls > MAX_COST))
    throw badInput('query', `costs more than ${MAX_COST} calls of one field; split it`);
  if ([...cost.stores.keys()].some((rootField) => rootField.length > MAX_NAME_LENGTH))
    throw badInput('query', `has an alias of more than ${MAX_NAME_LENGTH} characters`);
}

/** A JWT is as long as several entries of a list. */
const partsDecided = ({ operation }: WaitingOperation): number =>
  partsOf(operation.cost).reduce(
    (sum, count) => sum + count,
    Math.ceil(identityOf(operation)[1].length / CHARACTERS_PER_PART),
  );

/** @throws UNAUTHENTICATED for what no caller can be, without a request */
function checkIdentity(caller: CallerIdentity): void {
  if ('apiKey' in caller) {
    if (!isCredential(caller.apiKey))
      throw unauthenticated('The API key is malformed: check that it was copied whole');
  } else if (identityOf(caller)[1].length > MAX_NAME_LENGTH) {
    throw unauthenticated(`A tenant's id has at most ${MAX_NAME_LENGTH} characters`);
  }
}

const partsEnded = ({ ended: { returned, committedIds, releasedIds } }: WaitingEnd): number =>
  returned.length + committedIds.length + releasedIds.length;

const inOneSecond = () => new Date(performance.timeOrigin + performance.now() + 1_000);

const isCounted = ({ charges, fieldLimits, stores }: OperationCost): boolean =>
  charges.length > 0 || fieldLimits.length > 0 || stores.size > 0;

const featuresKey = ({ features }: OperationCost): string => `features:${[...features].sort().join()}`;

function endedOf(
  { receipt, reservationIds }: Taken,
  { returned, notStored }: Outcome,
): EndedOperation | null {
  const isReleased = ([rootField]: [string, string]) => notStored === 'all' || notStored.has(rootField);
  const idsOf = (reservations: [string, string][]) => reservations.map(([, id]) => id);
  const reservations = [...reservationIds];
  if (receipt === null || (returned.length === 0 && reservations.length === 0)) return null;
  return {
    receipt,
    returned,
    committedIds: idsOf(reservations.filter((reservation) => !isReleased(reservation))),
    releasedIds: idsOf(reservations.filter(isReleased)),
  };
}

const away = (known: Pick<Taken, 'tenantId' | 'tier'> | null): CallerGrant => ({
  kind: 'granted',
  tenantId: known?.tenantId ?? null,
  tier: known?.tier ?? null,
  headers: new Map(),
  end: async () => {},
});

function warn(error: Error): void {
  process.emitWarning(`The billing server is away: ${error.message}`);
}
