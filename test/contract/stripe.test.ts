/** Our requests, and what our mock makes of requests, held against stripe-mock: Stripe's own checker. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RESOURCES } from '../../src/services/billing/stripe/permissions.js';
import { askCheckout } from '../support/billing.js';
import { type StripeMock, startStripeMock } from '../support/stripeMock.js';
import { teamCatalogueFile } from '../support/teamCatalogue.js';
import { watchCalls, writtenCalls } from './callSites.js';
import { runCourse, setUp, startLive } from './course.js';
import { NEEDED, NEWER, STRICTER } from './exceptions.js';
import {
  type Change,
  changed,
  changesOf,
  endpointOf,
  paramsOf,
  plainRequests,
  refusedByOurs,
  refusedByStripes,
  type StripeRequest,
  without,
} from './requests.js';

let stripeMock: StripeMock;
let requests: StripeRequest[];
let called: Set<string>;

// On a new machine stripe-mock has to be built first.
beforeAll(async () => {
  stripeMock = await startStripeMock();
  const watch = watchCalls();
  requests = await runCourse();
  called = watch.lines();
  watch.stop();
}, 900_000);
afterAll(() => stripeMock?.stop());

const isNewer = (request: StripeRequest, param: string | null) =>
  NEWER.some((one) => one.endpoint === endpointOf(request) && one.param === param);

/** What stripe-mock can judge of a request; null: nothing. */
function known(request: StripeRequest): StripeRequest | null {
  if (isNewer(request, null)) return null;
  const newer = NEWER.flatMap(({ endpoint, param }) =>
    endpoint === endpointOf(request) && param ? [param] : [],
  );
  return newer.reduce(without, request);
}

const judged = (): StripeRequest[] => requests.flatMap((request) => known(request) ?? []);

/** One of each endpoint and set of parameters, and one to each endpoint of our mock that none of ours goes to. */
function kinds(): StripeRequest[] {
  const ours = new Map(requests.map((request) => [`${endpointOf(request)} ${paramsOf(request)}`, request]));
  const endpoints = new Set(requests.map(endpointOf));
  const others = plainRequests()
    .filter((request) => !endpoints.has(endpointOf(request)))
    .map((request) => ({ ...request, fields: NEEDED[endpointOf(request)] ?? [] }));
  return [...ours.values(), ...others];
}

interface Disagreement extends Change {
  endpoint: string;
  ours: string | null;
  theirs: string | null;
}
const placeOf = ({ endpoint, kind, param }: Change & { endpoint: string }) => `${endpoint} ${kind} ${param}`;

describe('every call to Stripe', () => {
  it('that is written in our source is made in this suite', () => {
    const written = writtenCalls();
    expect(written.filter((call) => !called.has(call.split(' ', 1)[0] as string))).toEqual([]);
    // And what was made is found in the source, so that no way of writing a call escapes.
    const lines = new Set(written.map((call) => call.split(' ', 1)[0]));
    expect([...called].filter((line) => !lines.has(line))).toEqual([]);
    expect(called.size).toBeGreaterThan(0);
  });

  it('is accepted by stripe-mock, and by our mock', async () => {
    const refusals: string[] = [];
    for (const request of judged()) {
      const reason = (await refusedByStripes(stripeMock.url, request)) ?? refusedByOurs(request);
      if (reason) refusals.push(`${endpointOf(request)} ${paramsOf(request)}: ${reason}`);
    }
    expect(refusals).toEqual([]);
  });

  it('is of an endpoint for which a restricted key is permitted, and no permission is listed for nothing', () => {
    const listed = RESOURCES.flatMap(({ server = [], setup = [] }) => [
      ...server.map((endpoint) => `server ${endpoint}`),
      ...setup.map((endpoint) => `setup ${endpoint}`),
    ]);
    const used = new Set(requests.map((request) => `${request.by} ${endpointOf(request)}`));
    // The account is also learned from the rejection of a key that may not read it.
    expect(used.delete('server GET /v1/account')).toBe(true);
    expect([...used].sort()).toEqual(listed.sort());
  });

  it.each(NEWER)('$endpoint $param is still rejected by stripe-mock: $reason', async (newer) => {
    const request = kinds().find((one) => endpointOf(one) === newer.endpoint) as StripeRequest;
    const judged = known(request);
    const fields = newer.field ? [...(judged ?? request).fields, newer.field] : request.fields;
    expect(await refusedByStripes(stripeMock.url, { ...request, fields })).toMatch(/^40[04] /);
    if (judged) expect(await refusedByStripes(stripeMock.url, judged)).toBeNull();
  });
});

describe('our mock', () => {
  it('rejects of all that it takes what stripe-mock rejects, and no more', async () => {
    const disagreements: Disagreement[] = [];
    for (const request of kinds().flatMap((one) => known(one) ?? [])) {
      const endpoint = endpointOf(request);
      for (const change of changesOf(request)) {
        if (isNewer(request, change.param)) continue;
        const ours = refusedByOurs(changed(request, change));
        const theirs = await refusedByStripes(stripeMock.url, changed(request, change));
        // stripe-mock does not look at the names inside an object.
        if (ours !== null && theirs === null && change.kind === 'object') continue;
        if ((ours === null) !== (theirs === null)) disagreements.push({ endpoint, ...change, ours, theirs });
      }
    }
    const stricter = new Set(STRICTER.map(placeOf));
    const isExpected = (one: Disagreement) => one.theirs === null && stricter.has(placeOf(one));
    expect(disagreements.filter((one) => !isExpected(one))).toEqual([]);
    const found = new Set(disagreements.map(placeOf));
    expect(STRICTER.filter((one) => !found.has(placeOf(one)))).toEqual([]);
  });
});

/** It forgets what it was told and answers with objects of its own, so a course ends where an answer is read back. */
describe('live mode, with STRIPE_API_BASE at stripe-mock', () => {
  it('is set up, starts, and begins a checkout', async () => {
    const CATALOG_FILE = teamCatalogueFile();
    const environment = await setUp(stripeMock.url, { CATALOG_FILE });
    expect(Object.keys(environment)).toContain('STRIPE_PORTAL_CONFIGURATION');
    const prices = { STRIPE_PRICE_PRO: 'price_1', STRIPE_PRICE_TEAM: 'price_2' };
    const server = await startLive(stripeMock.url, { CATALOG_FILE, ...prices });
    try {
      const { key } = await server.createTenant();
      const { data, errors } = await askCheckout(server, key);
      expect(errors).toEqual([]);
      expect(data.createCheckoutSession).toMatchObject({ id: expect.stringMatching(/^cs_/), localUrl: null });
      const portal = 'mutation { createPortalSession(input: { returnUrl: "http://localhost/" }) { url } }';
      expect((await server.gql(portal, { key })).errors).toEqual([]);
    } finally {
      await server.stop();
    }
  });
});
