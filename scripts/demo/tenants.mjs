/**
 * The tenants of the demo. `calls` is how many calls a usual weekday has at the end of the month; `grows` is by which
 * share it grew during the month.
 */
export const TENANTS = [
  { name: 'Harbour Analytics', tier: 'ENTERPRISE', priceCents: 59_000, calls: 410_000, grows: 0.35 },
  { name: 'Meridian Logistics', tier: 'ENTERPRISE', priceCents: 49_000, calls: 265_000, grows: 0.1 },
  { name: 'Quarry Health', tier: 'ENTERPRISE', priceCents: 89_000, calls: 655_000, grows: 0.6 },
  { name: 'Tern Airways', tier: 'ENTERPRISE', priceCents: 39_000, calls: 118_000, grows: -0.15 },
  { name: 'Alder & Finch', tier: 'PRO', calls: 6_900, grows: 0.2 },
  { name: 'Birchline Studio', tier: 'PRO', calls: 2_400, grows: 0.05 },
  { name: 'Cobalt Robotics', tier: 'PRO', calls: 8_300, grows: 0.45, state: 'overage' },
  { name: 'Dovetail Works', tier: 'PRO', calls: 4_100, grows: 0, state: 'past due' },
  { name: 'Ember Learning', tier: 'PRO', calls: 7_600, grows: 0.8 },
  { name: 'Fathom Maps', tier: 'PRO', calls: 5_500, grows: 0.3 },
  { name: 'Granite Payroll', tier: 'PRO', calls: 1_200, grows: -0.3, state: 'canceling' },
  { name: 'Hollow Pine Games', tier: 'PRO', calls: 9_050, grows: 0.5 },
  { name: 'Inlet Media', tier: 'PRO', calls: 3_300, grows: 0.1 },
  { name: 'Juniper Legal', tier: 'PRO', calls: 2_900, grows: 0.15 },
  { name: 'Kestrel Energy', tier: 'PRO', calls: 6_100, grows: -0.1, state: 'override' },
  { name: 'Lantern Books', tier: 'PRO', calls: 1_800, grows: 0.25, state: 'past due' },
  { name: 'Moss Street Bakery', tier: 'FREE', calls: 34, grows: 0.1 },
  { name: 'North Pier Sailing', tier: 'FREE', calls: 61, grows: 0.2, state: 'checkout' },
  { name: 'Oakhill School', tier: 'FREE', calls: 78, grows: 0.4, state: 'near the limit' },
  { name: 'Pebble Notes', tier: 'FREE', calls: 55, grows: 0.3, state: 'rejected' },
  { name: 'Quill & Co', tier: 'FREE', calls: 12, grows: 0 },
  { name: 'Rookery Weather', tier: 'FREE', calls: 70, grows: 0.5, state: 'rejected' },
  { name: 'Saltmarsh Surveys', tier: 'FREE', calls: 25, grows: -0.2, state: 'suspended' },
  { name: 'Thistle Travel', tier: 'FREE', calls: 47, grows: 0.1, state: 'stored' },
  { name: 'Upland Trails', tier: 'FREE', calls: 9, grows: 0 },
  { name: 'Verso Translations', tier: 'FREE', calls: 66, grows: 0.6, state: 'checkout' },
  { name: 'Willow Clinic', tier: 'FREE', calls: 18, grows: 0.1 },
  { name: 'Yarrow Farm', tier: 'FREE', calls: 4, grows: 0 },
].map((tenant) => ({
  state: null,
  ...tenant,
  slug: tenant.name.toLowerCase().replaceAll(/[^a-z]+/g, '-'),
}));

/** Which share of the calls goes to which field. */
const ENDPOINTS = { storeMemory: 0.46, searchMemories: 0.31, memories: 0.17, extraction: 0.06 };
const HOUR_MS = 3_600_000;
const HOURS = 30 * 24;
/** Shares of a day by UTC hour: busy from 7 to 17, with a dip at noon. */
const HOUR_SHARES = [
  8, 6, 5, 4, 5, 9, 18, 38, 62, 74, 78, 70, 58, 69, 76, 72, 60, 47, 35, 28, 22, 18, 14, 10,
].map((part, _index, all) => part / all.reduce((sum, each) => sum + each));

/** @returns the exact calls of a tenant in an hour, counted since 1970 */
export function callsInHour({ calls, grows }, hour, nowHour) {
  const at = new Date(hour * HOUR_MS);
  const trend = 1 / (1 + grows * ((nowHour - hour) / HOURS));
  const weekend = at.getUTCDay() % 6 === 0 ? 0.45 : 1;
  return calls * trend * weekend * HOUR_SHARES[at.getUTCHours()];
}

/** @returns the usage of the last 30 days, an event for each hour and endpoint; the same at every call within an hour */
export function usageOf(tenant, nowMs) {
  const nowHour = Math.floor(nowMs / HOUR_MS);
  const events = [];
  for (let hour = nowHour - HOURS; hour < nowHour; hour += 1) {
    const at = new Date(hour * HOUR_MS + HOUR_MS / 2).toISOString();
    for (const [endpoint, part] of Object.entries(ENDPOINTS)) {
      const noise = 0.75 + 0.5 * noiseOf(`${tenant.slug}:${hour}:${endpoint}`);
      const exact = callsInHour(tenant, hour, nowHour) * part * noise;
      // Small tenants have hours without a call.
      const quantity = Math.floor(exact + noiseOf(`${hour}:${tenant.slug}:${endpoint}`));
      if (quantity > 0) events.push({ id: `demo:${hour}:${endpoint}`, endpoint, quantity, at });
    }
  }
  return events;
}

/** @returns 0 to 1, the same for the same text (FNV-1a, mixed) */
function noiseOf(text) {
  let hash = 2_166_136_261;
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0), 16_777_619);
  hash = Math.imul(hash ^ (hash >>> 15), 2_246_822_507);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}
