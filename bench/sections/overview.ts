import type { Bench } from '../bench.js';
import type { Findings, Row } from '../report.js';
import { OPERATOR_KEY, startOurServer } from '../server.js';
import { storeHistory, storeQuietTenants } from '../stored/history.js';
import { storeStandings } from '../stored/standings.js';
import { BUSY_EVERY, storeBusyTenants, tenantId } from '../stored/tenants.js';

const WHOLE = { tenants: 1_000_000, historyDays: 400 };
const QUICK = { tenants: 50_000, historyDays: 40 };
const TARGET_MS = 300;
const RUNS = 20;

const OVERVIEW = `{ overview { asOf countedAt
  revenue { monthlyCents monthlyCents30DaysAgo changeCents byTier { tier monthlyCents monthlyCents30DaysAgo } }
  tenants { total byTier { tier tenants } newToday new30Days startedPaying30Days stoppedPaying30Days suspended pastDue nearLimit
    overLimit pastDueTenants { tenant { id name } monthlyCents graceEndsAt } nearLimitTenants { id name }
    overLimitTenants { id name } }
  calls { today yesterday byHour { hour today yesterday } }
  rejections { today yesterday byKind { kind today yesterday } }
  webhookEvents { pending failed oldestPendingAgeSeconds } usageReports { pending failed }
  deliveries { pending failed endpointsPaused }
  health { mongodb { state pingMs } stripe { state } redis { state } workers { name isLate } instances { id } } } }`;

const HISTORY = '{ overviewHistory(days: 400) { day monthlyRevenueCents tenants calls rejections } }';

const PAGE = `query ($sort: TenantSort, $tier: TierName, $state: TenantState, $search: String, $after: String) {
  tenants(first: 20, sort: $sort, tier: $tier, state: $state, search: $search, after: $after) {
    edges { node { id name email createdAt tier { name } subscription { status } monthlyRevenueCents suspendedAt
      today: usage(period: DAY) { apiCalls limit } month: usage(period: MONTH) { apiCalls } } }
    pageInfo { endCursor hasNextPage } } }`;

interface Asked {
  what: string;
  query: string;
  variables?: object;
}

/** What the operator's first pages ask for, with very many tenants stored. */
export async function overview(bench: Bench): Promise<Findings> {
  const uri = await store(bench);
  const server = await startOurServer(uri);
  const rows: Row[] = [];
  try {
    for (const asked of questions(sizeOf(bench).tenants)) {
      bench.progress(asked.what);
      rows.push({ peer: asked.what, ...(await timesOf(server.url, asked)) });
    }
  } finally {
    await server.end('SIGTERM');
  }
  const slowest = Math.max(...rows.map(({ p50Ms = 0 }) => p50Ms));
  return {
    tables: [{ title: 'What the pages of an operator ask for', unit: 'requests/s', rows }],
    targets: [
      {
        what: `the slowest of the operator's pages, median, with ${sizeOf(bench).tenants.toLocaleString('en-US')} tenants`,
        wanted: `below ${TARGET_MS} ms`,
        measured: `${slowest.toFixed(0)} ms`,
        met: slowest < TARGET_MS,
      },
    ],
    method: `One request at a time, ${RUNS} of each: with so few, p99 is the slowest. 1 of 10 tenants pays; a thousand have a history of ${sizeOf(bench).historyDays} days.`,
  };
}

const sizeOf = ({ quick }: Bench) => (quick ? QUICK : WHOLE);

async function store(bench: Bench): Promise<string> {
  const { mongod, busyTenants, progress } = bench;
  const { tenants, historyDays } = sizeOf(bench);
  const models = await mongod.create('overview');
  await storeBusyTenants(models, busyTenants);
  await storeQuietTenants(models, tenants - busyTenants.length, progress);
  const ids = busyTenants.map(({ id }) => id);
  await storeHistory(models, ids, historyDays, progress);
  await storeStandings(models, { count: tenants, days: historyDays }, progress);
  await models.connection.db?.admin().command({ fsync: 1 });
  return mongod.uriOf('overview');
}

function questions(tenants: number): Asked[] {
  const page = (what: string, variables: object): Asked => ({ what, query: PAGE, variables });
  const middle = tenantId(Math.floor(tenants / 2 / BUSY_EVERY) * BUSY_EVERY + 1);
  const cursor = (key: string) => Buffer.from(key).toString('base64url');
  const month = new Date().toISOString().slice(0, 'YYYY-MM'.length);
  return [
    { what: 'overview', query: OVERVIEW },
    { what: 'overview, history of 400 days', query: HISTORY },
    page('tenants, oldest first', { sort: 'OLDEST' }),
    page('tenants, newest first', { sort: 'NEWEST' }),
    page('tenants, by usage', { sort: 'USAGE' }),
    page('tenants, by revenue', { sort: 'REVENUE' }),
    page('tenants of PRO, by usage', { sort: 'USAGE', tier: 'PRO' }),
    page('tenants near a limit, by usage', { sort: 'USAGE', state: 'NEAR_LIMIT' }),
    page('tenants of FREE near a limit, by revenue', { sort: 'REVENUE', state: 'NEAR_LIMIT', tier: 'FREE' }),
    page('tenants that are past due, newest first', { sort: 'NEWEST', state: 'PAST_DUE' }),
    page('tenants, newest first, from the middle', { sort: 'NEWEST', after: cursor(middle) }),
    page('tenants, by usage, from the middle', {
      sort: 'USAGE',
      after: cursor(`${month}:${String(50_000).padStart(16, '0')}:${middle}`),
    }),
    page('tenants of FREE, by revenue, far behind', {
      sort: 'REVENUE',
      tier: 'FREE',
      after: cursor(`${'0'.repeat(12)}:${middle}`),
    }),
    page('tenants by the beginning of a name', { search: 'quiet tenant 9' }),
  ];
}

async function timesOf(url: string, { query, variables }: Asked): Promise<Partial<Row>> {
  const body = JSON.stringify({ query, variables });
  const times: number[] = [];
  let bytes = 0;
  // The first one opens a connection and caches the document.
  for (let run = 0; run <= RUNS; run++) {
    const startedAtMs = performance.now();
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': OPERATOR_KEY },
      body,
    });
    const text = await response.text();
    if (run > 0) times.push(performance.now() - startedAtMs);
    if (text.includes('"errors"')) throw new Error(text.slice(0, 500));
    bytes = text.length;
  }
  times.sort((a, b) => a - b);
  const total = times.reduce((sum, ms) => sum + ms, 0);
  return {
    throughput: (1_000 * times.length) / total,
    p50Ms: times[Math.floor(times.length / 2)] as number,
    p99Ms: times.at(-1) as number,
    bytes,
  };
}
