/** Stripe fails at any request of a mutation; the mutation is asked again. Webhooks do not come here. */
import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Harness, openHarness } from '../../packages/mock-stripe/test/support/harness.js';
import { setUp, startLive } from '../contract/course.js';
import type { TestServer, TestTenant } from '../support/server.js';
import { openStripeBridge } from '../support/stripeBridge.js';
import { teamCatalogueFile } from '../support/teamCatalogue.js';

/**
 * How a request fails. `undone`: Stripe answers 500 and did nothing. `done`: Stripe did it, and answers 500, for a day under the
 * same key. `lost`: Stripe did it, and no answer arrives, however often the SDK tries.
 */
type Failure = 'undone' | 'done' | 'lost';

/** A server with its own way to Stripe. Several run at once: each of them waits for the database most of the time. */
interface Lane {
  server: TestServer;
  bridge: Awaited<ReturnType<typeof openStripeBridge>>;
  /** Methods of the requests since it was emptied, the SDK's own tries left out. */
  requests: string[];
  failing: { number: number; failure: Failure } | null;
  /** Each answer that says what Stripe has done is lost the first time. */
  losesFirstAnswers: boolean;
  rejectsChanges: boolean;
  /** The flows of a lane run one after another. */
  last: Promise<unknown>;
}

const LANES = 3;
const lanes: Lane[] = [];
let harness: Harness;
let prices: Record<string, string>;

const error = (status: number, type: string, message: string) =>
  // The SDK's own tries would get the same.
  Response.json({ error: { type, message } }, { status, headers: { 'Stripe-Should-Retry': 'false' } });
const serverError = () => error(500, 'api_error', 'Something went wrong');

/** @returns the mock, past a failure of the lane's choice */
function unreliable(lane: Lane): typeof fetch {
  /** What Stripe repeats for a day. */
  const remembered = new Set<string>();
  let failed: string | null = null;
  let known = '';
  return async (input, init) => {
    const request = new Request(input, init);
    const { method } = request;
    const key = request.headers.get('idempotency-key');
    const isRead = method === 'GET';
    const identity = `${method} ${request.url} ${key}`;
    if (lane.rejectsChanges && !isRead)
      return error(400, 'invalid_request_error', 'It cannot be changed now');
    if (key && remembered.has(key)) return serverError();
    const answer = () => harness.mock.fetch(request);
    const lose = async () => {
      if (!isRead) await answer();
      throw new Error('lost');
    };
    if (lane.failing && failed === identity && lane.failing.failure === 'lost') return lose();
    if (known === identity && !isRead) return answer();
    known = identity;
    lane.requests.push(method);
    if (lane.losesFirstAnswers && !isRead) return lose();
    if (lane.requests.length !== lane.failing?.number) return answer();
    failed = identity;
    switch (lane.failing.failure) {
      case 'lost':
        return lose();
      case 'done':
        await answer();
        break;
      case 'undone':
        break;
    }
    if (key) remembered.add(key);
    return serverError();
  };
}

async function openLane(CATALOG_FILE: string): Promise<Lane> {
  const lane = {
    requests: [],
    failing: null,
    losesFirstAnswers: false,
    rejectsChanges: false,
    last: Promise.resolve(),
  } as Omit<Lane, 'server' | 'bridge'> as Lane;
  lane.bridge = await openStripeBridge(unreliable(lane));
  lane.server = await startLive(lane.bridge.url, { ...prices, CATALOG_FILE });
  return lane;
}

beforeAll(async () => {
  // The SDK waits half a second and more before each of its tries.
  // The types do not have this method; the SDK has no setting for the wait between its attempts.
  vi.spyOn(Stripe.prototype as unknown as Delays, 'getInitialNetworkRetryDelay').mockReturnValue(0.001);
  harness = await openHarness({ prices: [], webhookUrl: () => undefined });
  const setting = await openStripeBridge(harness.mock.fetch);
  const CATALOG_FILE = teamCatalogueFile();
  prices = await setUp(setting.url, { CATALOG_FILE });
  await setting.close();
  lanes.push(...(await Promise.all(Array.from({ length: LANES }, () => openLane(CATALOG_FILE)))));
}, 60_000);
afterAll(async () => {
  vi.restoreAllMocks();
  await Promise.all(lanes.map(({ server }) => server.stop()));
  await Promise.all(lanes.map(({ bridge }) => bridge.close()));
  await harness?.close();
});

interface Delays {
  getInitialNetworkRetryDelay(): number;
}

const STATE = '{ subscription { tier { name } status cancelAtPeriodEnd scheduledTier } }';

async function stateOf({ server }: Lane, { key }: TestTenant) {
  const { data, errors } = await server.gql(STATE, { key });
  expect(errors).toEqual([]);
  return data.subscription;
}

const ask = ({ server }: Lane, { id, key }: TestTenant, field: string, byOperator = false) =>
  server.gql(`mutation { ${field.replaceAll('$tenant', id)} }`, byOperator ? {} : { key });

async function done(lane: Lane, tenant: TestTenant, field: string): Promise<void> {
  expect((await ask(lane, tenant, field)).errors).toEqual([]);
}

async function customerOf({ server }: Lane, { id }: TestTenant): Promise<string> {
  const doc = await server.app.models.billingCustomers.findById(id).lean();
  return doc?.stripeCustomerId ?? '';
}

/** Asking to pay once more looks at Stripe, and finds what was bought. */
async function noticed(lane: Lane, tenant: TestTenant): Promise<void> {
  expect((await ask(lane, tenant, CHECKOUT)).errors[0]?.message).toContain('There is a subscription');
}

/** Bought at Stripe, which is sooner than by a checkout. */
async function subscriber(lane: Lane, ...priceNames: string[]): Promise<TestTenant> {
  const tenant = await lane.server.createTenant();
  const { id: customer } = await harness.stripe.customers.create({ metadata: { tenant_id: tenant.id } });
  await harness.stripe.subscriptions.create({
    customer,
    items: priceNames.map((name) => ({ price: prices[`STRIPE_PRICE_${name}`] as string })),
    default_payment_method: 'pm_card_visa',
  });
  await lane.server.app.models.billingCustomers.create({ _id: tenant.id, stripeCustomerId: customer });
  await noticed(lane, tenant);
  return tenant;
}

const after =
  (tier: string, ...fields: string[]) =>
  async (lane: Lane): Promise<TestTenant> => {
    const tenant = await subscriber(lane, tier, `${tier}_OVERAGE`);
    for (const field of fields) await done(lane, tenant, field);
    return tenant;
  };
const nothingYet = ({ server }: Lane): Promise<TestTenant> => server.createTenant();
/** Bought before the tier sold overage. */
const withoutOverage = (lane: Lane): Promise<TestTenant> => subscriber(lane, 'PRO');

async function liveAtStripe(
  lane: Lane,
  tenant: TestTenant,
): Promise<[subscriptions: number, schedules: number]> {
  const customer = await customerOf(lane, tenant);
  const subscriptions = await harness.stripe.subscriptions.list({ customer });
  const schedules = await harness.stripe.subscriptionSchedules.list({ customer });
  const running = schedules.data.filter(({ status }) => status === 'active' || status === 'not_started');
  return [subscriptions.data.length, running.length];
}

const TO_PRO = 'changeTier(input: { tier: PRO }) { status }';
const BACK_TO_PRO = 'changeTier(input: { tier: PRO, immediately: true }) { status }';
const TO_TEAM = 'changeTier(input: { tier: TEAM }) { status }';
const TO_FREE = 'changeTier(input: { tier: FREE }) { status }';
const CANCEL = 'cancelSubscription { status }';
const CANCEL_NOW = 'cancelSubscription(input: { atPeriodEnd: false }) { status }';
const RESUME = 'resumeSubscription { status }';
const CONTRACT =
  'createEnterpriseSubscription(input: { tenantId: "$tenant", monthlyPriceCents: 100000, termMonths: 12 }) { status }';
const CHECKOUT =
  'createCheckoutSession(input: { tier: PRO, successUrl: "http://localhost/a", cancelUrl: "http://localhost/b" }) { id }';
const PORTAL = 'createPortalSession(input: { returnUrl: "http://localhost/a" }) { id }';
const OVERAGE = 'setOverage(input: { monthlyCapCents: 500 }) { allowedCalls }';

interface Flow {
  name: string;
  begin: (lane: Lane) => Promise<TestTenant>;
  field: string;
  byOperator?: boolean;
  wanted: { tier: string; status?: string; ends?: boolean; next?: string } | null;
  live?: [subscriptions: number, schedules: number];
  /** Leads back to the beginning, sooner than another tenant gets there; none where nothing does. */
  undo?: string;
}

const FLOWS: Flow[] = [
  {
    name: 'a smaller tier',
    undo: RESUME,
    begin: after('TEAM'),
    field: TO_PRO,
    wanted: { tier: 'TEAM', next: 'PRO' },
    live: [1, 1],
  },
  {
    name: 'a smaller tier instead of an end',
    undo: CANCEL,
    begin: after('TEAM', CANCEL),
    field: TO_PRO,
    wanted: { tier: 'TEAM', next: 'PRO' },
    live: [1, 1],
  },
  { name: 'a larger tier', undo: BACK_TO_PRO, begin: after('PRO'), field: TO_TEAM, wanted: { tier: 'TEAM' } },
  {
    name: 'the present tier instead of a smaller one',
    undo: TO_PRO,
    begin: after('TEAM', TO_PRO),
    field: TO_TEAM,
    wanted: { tier: 'TEAM' },
  },
  {
    name: 'the default tier',
    undo: TO_PRO,
    begin: after('TEAM', TO_PRO),
    field: TO_FREE,
    wanted: { tier: 'TEAM', ends: true },
  },
  {
    name: 'an end with the period',
    undo: RESUME,
    begin: after('PRO'),
    field: CANCEL,
    wanted: { tier: 'PRO', ends: true },
  },
  {
    name: 'an end with the period instead of a smaller tier',
    undo: TO_PRO,
    begin: after('TEAM', TO_PRO),
    field: CANCEL,
    wanted: { tier: 'TEAM', ends: true },
  },
  {
    name: 'an end at once',
    begin: after('PRO'),
    field: CANCEL_NOW,
    wanted: { tier: 'FREE', status: 'CANCELED' },
    live: [0, 0],
  },
  {
    name: 'an end at once instead of a smaller tier',
    begin: after('TEAM', TO_PRO),
    field: CANCEL_NOW,
    wanted: { tier: 'FREE', status: 'CANCELED' },
    live: [0, 0],
  },
  {
    name: 'an end taken back',
    undo: CANCEL,
    begin: after('PRO', CANCEL),
    field: RESUME,
    wanted: { tier: 'PRO' },
  },
  {
    name: 'a smaller tier taken back',
    undo: TO_PRO,
    begin: after('TEAM', TO_PRO),
    field: RESUME,
    wanted: { tier: 'TEAM' },
  },
  {
    name: 'a contract',
    begin: nothingYet,
    field: CONTRACT,
    byOperator: true,
    wanted: { tier: 'ENTERPRISE' },
  },
  {
    name: 'a contract instead of a tier',
    begin: after('TEAM', TO_PRO),
    field: CONTRACT,
    byOperator: true,
    wanted: { tier: 'ENTERPRISE' },
  },
  { name: 'a portal session', begin: after('PRO'), field: PORTAL, wanted: { tier: 'PRO' } },
  { name: 'overage', begin: withoutOverage, field: OVERAGE, wanted: { tier: 'PRO' } },
  { name: 'a checkout', begin: nothingYet, field: CHECKOUT, wanted: null, live: [0, 0] },
];

/** @returns how many requests the mutation made until it ended, each by its method */
async function endsWell(
  flow: Flow,
  lane: Lane,
  tenant: TestTenant,
  failing: Lane['failing'],
): Promise<string[]> {
  const { field, byOperator, wanted, live = [1, 0] } = flow;
  const where = failing
    ? `${flow.name}, request ${failing.number}, ${failing.failure}`
    : `${flow.name}, every answer lost once`;
  lane.requests = [];
  lane.failing = failing;
  lane.losesFirstAnswers = !failing;
  const first = await ask(lane, tenant, field, byOperator);
  const { requests } = lane;
  lane.requests = [];
  lane.failing = null;
  lane.losesFirstAnswers = false;
  if (!failing) expect(first.errors, where).toEqual([]);
  if (first.errors.length > 0) {
    expect(first.errors[0]?.extensions.code, where).toBe('PAYMENT_PROVIDER_ERROR');
    expect((await ask(lane, tenant, field, byOperator)).errors, where).toEqual([]);
  }
  if (field === CHECKOUT) {
    const { data } = await ask(lane, tenant, field);
    await harness.mock.checkout.complete(data.createCheckoutSession.id);
    await noticed(lane, tenant);
    expect(await liveAtStripe(lane, tenant), where).toEqual([1, 0]);
    return requests;
  }
  const { tier = 'FREE', status = 'ACTIVE', ends = false, next = null } = wanted ?? {};
  expect(await stateOf(lane, tenant), where).toEqual({
    tier: { name: tier },
    status,
    cancelAtPeriodEnd: ends,
    scheduledTier: next,
  });
  expect(await liveAtStripe(lane, tenant), where).toEqual(live);
  return requests;
}

async function survives(flow: Flow, lane: Lane): Promise<void> {
  const { begin, undo } = flow;
  const tenant = await begin(lane);
  const again = async () => {
    if (!undo) return begin(lane);
    await done(lane, tenant, undo);
    return tenant;
  };
  const methods = await endsWell(flow, lane, tenant, null);
  expect(methods.length).toBeGreaterThan(0);
  for (const [index, method] of methods.entries()) {
    // A read that fails has done nothing, whenever it fails.
    const failures: Failure[] = method === 'GET' ? ['undone'] : ['undone', 'done', 'lost'];
    for (const failure of failures) await endsWell(flow, lane, await again(), { number: index + 1, failure });
  }
}

describe.concurrent('after a failure of Stripe at any request, asking again ends in what was wanted, once:', () => {
  it.each(FLOWS.map((flow, index) => ({ ...flow, index })))('$name', { timeout: 60_000 }, async (flow) => {
    const lane = lanes[flow.index % LANES] as Lane;
    const run = lane.last.then(() => survives(flow, lane));
    lane.last = run.catch(() => undefined);
    await run;
  });
});

it('a change that Stripe rejects twice is answered with what Stripe has', async () => {
  const [lane] = lanes as [Lane];
  const tenant = await after('PRO', CANCEL)(lane);
  lane.rejectsChanges = true;
  const { errors } = await ask(lane, tenant, RESUME);
  lane.rejectsChanges = false;
  expect(errors[0]?.extensions.code).toBe('PAYMENT_PROVIDER_ERROR');
  expect(errors[0]?.message).toBe(
    'The payment provider rejected the request: the subscription to PRO is active, ends with its period',
  );
  await done(lane, tenant, RESUME);
});
