import type * as mongo from 'mongodb';
import { type BuyerDetails, completeSession, declineSession, withLineItems } from './billing/checkout.js';
import { actAtPortal, type PortalAction, type PortalView, viewPortal } from './billing/portal.js';
import { createDelivery } from './delivery.js';
import type { Disorder } from './disorder.js';
import { eventWriter } from './events.js';
import { createFailures, type InjectedFailure } from './failures.js';
import { createIdempotency } from './http/idempotency.js';
import { createServer } from './http/server.js';
import type { Log } from './log.js';
import { checkoutSessions } from './objects/checkoutSession.js';
import { schedules } from './objects/schedule.js';
import type { Change } from './operation.js';
import { operations } from './resources/index.js';
import { type SeededPrice, seed } from './seed.js';
import { createStateReader, type ReadState } from './state.js';
import { type Clock, createMockClock } from './storage/clock.js';
import { openCollections, prepareCollections } from './storage/collections.js';
import { createStore } from './storage/store.js';
import { createTimeline } from './timeline.js';
import { createTrigger, type Trigger } from './trigger.js';
import type { SessionBody } from './wire.js';

/** How often the timeline looks for changes that became due without a move of the clock. */
const CATCH_UP_MS = 30_000;
const IDLE_POLL_MS = 10;

export interface MockStripeDeps {
  /** A database of a client that is connected to a replica set: the mock needs transactions. Its collections begin with `mock_stripe_`. */
  db: mongo.Db;
  /** The machine's unless given. */
  clock?: Clock;
  log: Log;
  /** Signs the webhooks. */
  webhookSecret: () => string;
  /** Where events are posted; while it is undefined they wait. */
  webhookUrl: () => string | undefined;
  /** Where a person goes whom a checkout does not send anywhere else. */
  publicUrl: () => string;
  /** Sessions lead to the mock's pages at `publicUrl`; otherwise to an address at stripe.com that does not exist. */
  ownPages?: boolean;
  /** Created at the start, or brought up to date. */
  prices?: readonly SeededPrice[];
  /** Event names of meters that are created at the start, in addition to those that `prices` name. */
  meterEventNames?: readonly string[];
  /** The rate of Stripe Tax, wherever a customer is: a percentage such as `7.5`. 10 unless given. */
  taxPercent?: string;
}

export interface MockStripe {
  /** For `Stripe.createFetchHttpClient`: answers the SDK's requests inside the process. */
  fetch: typeof fetch;
  start(): Promise<void>;
  /** Ends what is under way; undelivered events go out after the next start. */
  stop(): Promise<void>;
  ready(): boolean;
  checkout: {
    /** @returns the session with its line items; null when there is none */
    find(sessionId: string): Promise<SessionBody | null>;
    /** The person pays. Doing it again changes nothing. @throws MockStripeError unless the session is open or complete */
    complete(
      sessionId: string,
      promotionCode?: string | null,
      details?: BuyerDetails,
    ): Promise<{ redirectUrl: string }>;
    /** The person turns back; the session stays open. @throws MockStripeError unless it is */
    decline(sessionId: string): Promise<{ redirectUrl: string }>;
  };
  portal: {
    /** @returns null without such a session */
    find(sessionId: string): Promise<PortalView | null>;
    /** @throws MockStripeError for what cannot be done */
    act(sessionId: string, action: PortalAction): Promise<void>;
  };
  trigger: Trigger;
  /** Moves the mock's clock forward; renewals, trial ends, retries and endings follow in order. */
  advanceClock(seconds: number): Promise<{ now: Date }>;
  now(): Promise<Date>;
  /** What it has and what it does next, for a page that shows it. */
  state: ReadState;
  /** For tests: the next request that fits fails. */
  failNext(failure: InjectedFailure): void;
  clearFailures(): void;
  /** From now on webhooks arrive late, twice or never, as a seed decides; null: as usual again. */
  disturbWebhooks(disorder: Disorder | null): void;
  /** For tests. @returns a reader of the requests since now, each as `POST /v1/customers` */
  requestsSince(): () => string[];
  /** Resolves once every event has been delivered. @throws Error after `timeoutMs` */
  delivered(timeoutMs?: number): Promise<void>;
}

/** A small Stripe, stored in MongoDB: same requests, same answers, same webhooks, and a clock that can be moved. */
export function createMockStripe(deps: MockStripeDeps): MockStripe {
  const {
    db,
    clock: machineClock = { now: Date.now },
    log,
    publicUrl,
    prices = [],
    meterEventNames = [],
    taxPercent = '10',
  } = deps;
  const collections = openCollections(db);
  const store = createStore(db.client, collections);
  const clock = createMockClock(machineClock, collections);
  const failures = createFailures();
  const delivery = createDelivery({ ...deps, clock: machineClock, collections });
  const timeline = createTimeline({ store, clock, publicUrl, taxPercent, changed: delivery.wake });
  const watchers = new Set<string[]>();
  const server = createServer({
    store,
    clock,
    idempotency: createIdempotency(store),
    failures,
    operations,
    log,
    publicUrl,
    taxPercent,
    pageUrl: (page, sessionId) =>
      deps.ownPages
        ? `${publicUrl()}/mock/${page}/${sessionId}`
        : `https://${page === 'portal' ? 'billing' : 'checkout'}.stripe.com/mock/${sessionId}`,
    changed: delivery.wake,
    asked: (request) => {
      for (const seen of watchers) seen.push(request);
    },
  });
  let catchingUp: NodeJS.Timeout | undefined;
  let underWay: Promise<unknown> = Promise.resolve();
  let isReady = false;

  async function change<T>(work: (change: Change) => Promise<T>): Promise<T> {
    const nowS = await clock.nowS();
    const result = await store.transaction((tx) =>
      work({ tx, nowS, emit: eventWriter(store, tx, nowS, null), publicUrl, taxPercent }),
    );
    delivery.wake();
    return result;
  }

  function catchUpLater(): void {
    underWay = timeline.catchUp().catch((error: unknown) => {
      log.error({ event: 'mock.timeline.failed', err: error }, '[MOCK] a change that was due failed');
    });
  }

  return {
    fetch: server,
    ready: () => isReady,
    async start() {
      await prepareCollections(collections);
      await seed(store, { prices, meterEventNames, taxPercent }, await clock.nowS());
      delivery.start();
      await timeline.catchUp();
      catchingUp = setInterval(catchUpLater, CATCH_UP_MS).unref();
      isReady = true;
      log.info(
        { event: 'mock.started', prices: prices.length },
        `[MOCK] Stripe is a mock with ${prices.length} prices: no money moves`,
      );
    },
    async stop() {
      isReady = false;
      clearInterval(catchingUp);
      await Promise.all([delivery.stop(), underWay]);
    },
    checkout: {
      async find(sessionId) {
        const stored = await store.read.find(checkoutSessions, sessionId);
        return stored && withLineItems(stored);
      },
      async complete(sessionId, promotionCode = null, details = {}) {
        const redirectUrl = await change((call) => completeSession(call, sessionId, promotionCode, details));
        log.info({ event: 'mock.checkout.completed', sessionId }, `[MOCK] checkout ${sessionId} completed`);
        return { redirectUrl };
      },
      async decline(sessionId) {
        const redirectUrl = await change((call) => declineSession(call, sessionId));
        log.info({ event: 'mock.checkout.declined', sessionId }, `[MOCK] checkout ${sessionId} declined`);
        return { redirectUrl };
      },
    },
    portal: {
      find: (sessionId) => viewPortal(store.read, sessionId),
      async act(sessionId, action) {
        await change((call) => actAtPortal(call, sessionId, action));
        log.info(
          { event: 'mock.portal.changed', sessionId, action: action.kind },
          `[MOCK] portal ${sessionId}: ${action.kind}`,
        );
      },
    },
    trigger: createTrigger({
      fetch: server,
      completeCheckout: (sessionId) => change((call) => completeSession(call, sessionId, null, {})),
      writeEvent: (type, kind, id) =>
        change(async ({ tx, emit }) => {
          const { body } =
            kind === 'checkout.session' ? await tx.get(checkoutSessions, id) : await tx.get(schedules, id);
          await emit(type, body);
        }),
    }),
    async advanceClock(seconds) {
      if (!Number.isSafeInteger(seconds) || seconds < 0)
        throw new RangeError('seconds must be a whole number, 0 or more');
      await clock.ask(seconds);
      const steps = await timeline.catchUp();
      const now = new Date((await clock.nowS()) * 1000);
      log.info(
        { event: 'mock.clock.advanced', seconds, now, changes: steps },
        `[MOCK] clock advanced by ${seconds} s to ${now.toISOString()}: ${steps} changes were due`,
      );
      return { now };
    },
    state: createStateReader(store, clock),
    now: async () => new Date((await clock.nowS()) * 1000),
    failNext: failures.add,
    clearFailures: failures.clear,
    disturbWebhooks: delivery.disturb,
    requestsSince() {
      const seen: string[] = [];
      watchers.add(seen);
      return () => {
        watchers.delete(seen);
        return seen;
      };
    },
    async delivered(timeoutMs = 10_000) {
      const deadlineMs = performance.now() + timeoutMs;
      for (;;) {
        const waiting = await delivery.pending();
        if (waiting === 0) return;
        if (performance.now() > deadlineMs)
          throw new Error(`${waiting} events were not delivered within ${timeoutMs} ms`);
        await new Promise((resolve) => setTimeout(resolve, IDLE_POLL_MS));
      }
    },
  };
}
