import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { mongo } from 'mongoose';
import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import { serviceUnavailable } from '../../common/errors.js';
import { groupBy } from '../../common/groups.js';
import type { Models } from '../../models/models.js';
import type { UsageAlertDoc } from '../../models/usageAlert.js';
import type { Changes } from '../infrastructure/changeStreams.js';
import { openPacedChangeStream, type PacedChangeStream } from '../infrastructure/pacedChangeStream.js';
import { dayOf, partsOf } from '../limits/ledger/windows.js';
import type { Entitlements } from '../tiers/entitlements.js';
import type { Usage, UsagePeriod } from '../usage/usage.js';
import { createMailbox, type Mailbox } from './mailbox.js';
import { createThrottle } from './throttle.js';
import { MemoryChangeKind, type Topic, type TopicEvents, type WantedUsage } from './topics.js';

/** Sends streams what has changed on any instance. It costs nothing while nobody listens. */
export interface Feed {
  /**
   * Listens to a topic of one tenant. Every change from when this resolves reaches the stream.
   * @param wanted.current whether the first message is the state at the beginning
   * @throws SERVICE_UNAVAILABLE
   */
  listen<T extends Topic>(
    topic: T,
    tenantId: string,
    wanted: Partial<WantedUsage> & { current?: boolean },
    overflowed: () => void,
  ): Promise<Mailbox<TopicEvents[T]>>;
  /** How many streams listen, by topic. */
  counts(): Readonly<Record<Topic, number>>;
  /** Called when changes may have been missed, so that clients must read again. */
  whenLost(then: () => void): void;
  stop(): Promise<void>;
}

/** A stream of a tenant, and which reading it wants if its topic is usage. */
interface Listener extends WantedUsage {
  // biome-ignore lint/suspicious/noExplicitAny: the map below keeps mailboxes of one topic together
  mailbox: Mailbox<any>;
}

type Listeners = Map<string, Set<Listener>>;

const USAGE_INTERVAL_MS = 1_000;
/** A change of a subscription writes several documents one after the other. */
const SUBSCRIPTION_INTERVAL_MS = 200;
const TICK_MS = 50;
const DAY_CHECK_MS = 1_000;
/** A batch of memories has up to 1,000. */
const MAX_WAITING = 2_000;
/** Streams that get their messages in one turn of the event loop. */
const SLICE = 20;
/** Usage days that are read and decoded in one go. */
const READ_TENANTS = 100;
/** The stream stays open for a while, because pages are reloaded. */
const KEEP_OPEN_MS = 10_000;

export function createFeed(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  changes: Pick<Changes, 'listen'>;
  usage: Pick<Usage, 'current' | 'stored'>;
  entitlements: Pick<Entitlements, 'get'>;
}): Feed {
  const { models, clock, log, changes, usage, entitlements } = deps;
  const { ledgers, usageDays, usageAlerts, memories, publishedStates, connection } = models;
  const listeners: Record<Topic, Listeners> = {
    usage: new Map(),
    subscription: new Map(),
    alert: new Map(),
    memory: new Map(),
  };
  const counts: Record<Topic, number> = { usage: 0, subscription: 0, alert: 0, memory: 0 };
  const lostListeners: (() => void)[] = [];
  /** The stream is everybody's, and belongs to no trace of the request that opens it. */
  const outsideRequests = AsyncLocalStorage.snapshot();
  let stream: PacedChangeStream | null = null;
  let closing: NodeJS.Timeout | undefined;
  let dayTimer: NodeJS.Timeout | undefined;
  let today = '';
  let delivering: Promise<void> = Promise.resolve();
  let isStopped = false;

  const usageThrottle = createThrottle({
    intervalMs: USAGE_INTERVAL_MS,
    tickMs: TICK_MS,
    flush: (tenantIds) => inOrder(() => sendUsage(tenantIds)),
  });
  const subscriptionThrottle = createThrottle({
    intervalMs: SUBSCRIPTION_INTERVAL_MS,
    tickMs: TICK_MS,
    flush: (tenantIds) => inOrder(() => sendSubscriptions(tenantIds)),
  });

  const PIPELINE = [
    {
      $match: {
        'ns.coll': {
          $in: [ledgers, usageDays, usageAlerts, memories, publishedStates].map(
            ({ collection }) => collection.name,
          ),
        },
        operationType: { $in: ['insert', 'update', 'replace', 'delete'] },
      },
    },
    {
      $project: {
        ns: 1,
        documentKey: 1,
        operationType: 1,
        'updateDescription.updatedFields.sharedAt': 1,
        // A memory may have a megabyte, of which a stream perhaps wants nothing.
        fullDocument: {
          $cond: [{ $eq: ['$ns.coll', usageAlerts.collection.name] }, '$fullDocument', '$$REMOVE'],
        },
      },
    },
  ];

  /** One delivery at a time: each is made in slices, and no stream may see two of them out of order. */
  function inOrder(work: () => Promise<void>): void {
    delivering = delivering.then(work).catch((error: unknown) => {
      log.warn({ err: error }, 'realtime.delivery_failed');
    });
  }

  async function deliver<T extends Topic>(
    events: readonly [Iterable<Listener>, TopicEvents[T]][],
  ): Promise<void> {
    let count = 0;
    for (const [receivers, event] of events) {
      for (const { mailbox } of receivers) {
        mailbox.put(event);
        if (++count % SLICE === 0) await nextTurn();
      }
    }
  }

  /** Each tenant's readings are shared by the streams that want the same one. */
  async function sendUsage(tenantIds: readonly string[]): Promise<void> {
    try {
      for (let i = 0; i < tenantIds.length; i += READ_TENANTS)
        await sendUsageOf(tenantIds.slice(i, i + READ_TENANTS));
    } catch (error) {
      log.warn({ err: error }, 'realtime.usage_not_read');
      // They are due again in a second.
      for (const tenantId of tenantIds) if (listeners.usage.has(tenantId)) usageThrottle.mark(tenantId);
    }
  }

  async function sendUsageOf(tenantIds: readonly string[]): Promise<void> {
    const wanted = tenantIds.flatMap((tenantId) => {
      const groups = groupBy([...(listeners.usage.get(tenantId) ?? [])], wantKey);
      return [...groups.values()].map((receivers) => ({
        tenantId,
        receivers,
        ...(receivers[0] as Listener),
      }));
    });
    for (const endpoints of [false, true]) {
      const queries = await withTerms(wanted.filter((query) => query.endpoints === endpoints));
      if (queries.length === 0) continue;
      const readings = await usage.stored(queries, endpoints);
      await deliver<'usage'>(readings.map((reading, i) => [queries[i]?.receivers ?? [], { reading }]));
    }
  }

  /** Leaves tenants out that have been erased: their streams are about to end. */
  async function withTerms<Q extends { tenantId: string }>(queries: readonly Q[]) {
    const found = await Promise.all(
      queries.map(async (query) => {
        const terms = await entitlements.get(query.tenantId).catch(unlessErased);
        return terms ? [{ ...query, terms }] : [];
      }),
    );
    return found.flat();
  }

  async function sendSubscriptions(tenantIds: readonly string[]): Promise<void> {
    await deliver<'subscription'>(
      tenantIds.map((tenantId) => [listeners.subscription.get(tenantId) ?? [], { tenantId }]),
    );
  }

  function changed(change: mongo.ChangeStreamDocument): void {
    if (!('documentKey' in change) || !('coll' in change.ns)) return;
    const id = String(change.documentKey._id);
    switch (change.ns.coll) {
      case ledgers.collection.name:
        usageChanged(id);
        break;
      case usageDays.collection.name:
        usageChanged(partsOf(id).tenantId);
        break;
      case publishedStates.collection.name:
        // A grace period or a contract that has ended changes the tier without a write to either.
        tierMayHaveChanged(id);
        break;
      case usageAlerts.collection.name:
        alertChanged(change);
        break;
      case memories.collection.name:
        memoryChanged(change, id);
        break;
    }
  }

  function usageChanged(tenantId: string): void {
    if (listeners.usage.has(tenantId)) usageThrottle.mark(tenantId);
  }

  function tierMayHaveChanged(tenantId: string): void {
    if (listeners.subscription.has(tenantId)) subscriptionThrottle.mark(tenantId);
    usageChanged(tenantId);
  }

  function alertChanged(change: mongo.ChangeStreamDocument): void {
    if (change.operationType !== 'insert') return;
    const alert = change.fullDocument as UsageAlertDoc;
    const receivers = listeners.alert.get(tenantOf(alert._id));
    if (receivers) inOrder(() => deliver<'alert'>([[receivers, { alert }]]));
  }

  function memoryChanged(change: mongo.ChangeStreamDocument, key: string): void {
    const tenantId = tenantOf(key);
    const receivers = listeners.memory.get(tenantId);
    if (!receivers) return;
    const event = { tenantId, id: key.slice(tenantId.length + 1), kind: kindOf(change) };
    inOrder(() => deliver<'memory'>([[receivers, event]]));
  }

  changes.listen({
    keyChanged: () => undefined,
    tenantChanged: tierMayHaveChanged,
    anythingMayHaveChanged: () => {
      if (total() > 0) lost();
    },
  });

  const total = () => Object.values(counts).reduce((sum, count) => sum + count, 0);

  function lost(): void {
    for (const then of lostListeners) then();
  }

  function open(): PacedChangeStream {
    clearTimeout(closing);
    closing = undefined;
    if (stream) return stream;
    const opened = outsideRequests(() =>
      openPacedChangeStream({
        connection,
        pipeline: PIPELINE,
        changed,
        handled: () => delivering,
        lost(error) {
          log.warn({ err: error }, 'realtime.stream_lost');
          if (stream === opened) stream = null;
          lost();
        },
      }),
    );
    stream = opened;
    today = dayOf(clock.now());
    dayTimer ??= setInterval(checkDay, DAY_CHECK_MS).unref();
    return opened;
  }

  /** A new day begins without a write. */
  function checkDay(): void {
    const day = dayOf(clock.now());
    if (day === today) return;
    today = day;
    for (const tenantId of listeners.usage.keys()) usageThrottle.mark(tenantId);
  }

  function closeSoon(): void {
    closing ??= setTimeout(() => {
      closing = undefined;
      if (total() > 0) return;
      void stream?.close();
      stream = null;
      clearInterval(dayTimer);
      dayTimer = undefined;
    }, KEEP_OPEN_MS).unref();
  }

  function remove(topic: Topic, tenantId: string, listener: Listener): void {
    const all = listeners[topic].get(tenantId);
    if (!all?.delete(listener)) return;
    counts[topic]--;
    if (all.size === 0) {
      listeners[topic].delete(tenantId);
      if (topic === 'usage') usageThrottle.forget(tenantId);
      if (topic === 'subscription') subscriptionThrottle.forget(tenantId);
    }
    if (total() === 0) closeSoon();
  }

  async function sendCurrent(topic: Topic, tenantId: string, listener: Listener): Promise<void> {
    if (topic === 'subscription') return deliver<'subscription'>([[[listener], { tenantId }]]);
    const terms = await entitlements.get(tenantId);
    const [reading] = await usage.current([{ tenantId, period: listener.period, terms }]);
    if (reading) await deliver<'usage'>([[[listener], { reading }]]);
  }

  return {
    async listen(topic, tenantId, { current, period, endpoints }, overflowed) {
      if (isStopped) throw serviceUnavailable('The server is stopping; try again shortly');
      const isState = topic === 'usage' || topic === 'subscription';
      const mailbox = createMailbox<TopicEvents[typeof topic]>({
        tenantId,
        max: isState ? null : MAX_WAITING,
        overflowed,
        closed: () => remove(topic, tenantId, listener),
      });
      const listener: Listener = {
        mailbox,
        period: period ?? ('DAY' as UsagePeriod),
        endpoints: endpoints ?? false,
      };
      const all = listeners[topic].get(tenantId) ?? new Set();
      listeners[topic].set(tenantId, all.add(listener));
      counts[topic]++;
      try {
        await open().opened;
        if (current && isState) await sendCurrent(topic, tenantId, listener);
      } catch (error) {
        mailbox.close();
        throw error;
      }
      return mailbox;
    },
    counts: () => counts,
    whenLost(then) {
      lostListeners.push(then);
    },
    async stop() {
      isStopped = true;
      clearTimeout(closing);
      clearInterval(dayTimer);
      usageThrottle.stop();
      subscriptionThrottle.stop();
      await stream?.close();
      await delivering;
    },
  };
}

const wantKey = ({ period, endpoints }: WantedUsage): string => `${period} ${endpoints}`;

const tenantOf = (id: string): string => id.slice(0, id.indexOf(':'));

function unlessErased(error: unknown): null {
  if ((error as { code?: unknown }).code === 'NOT_FOUND') return null;
  throw error;
}

function kindOf(change: mongo.ChangeStreamDocument): MemoryChangeKind {
  if (change.operationType === 'insert') return MemoryChangeKind.STORED;
  if (change.operationType === 'delete') return MemoryChangeKind.DELETED;
  const isShared = change.operationType === 'update' && change.updateDescription?.updatedFields?.sharedAt;
  return isShared ? MemoryChangeKind.SHARED : MemoryChangeKind.UPDATED;
}
