import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addCalls,
  addToMinute,
  addToSpan,
  callsInMinute,
  callsPastQuota,
  copyOf,
  emptyView,
  fullWindow,
  minuteToCharge,
  needsOpening,
  subtractCalls,
  takeOffSpan,
  type UsageView,
  useOf,
  viewOf,
} from '../../../../../src/services/limits/calls/usageView.js';
import type { CallLimits } from '../../../../../src/services/tiers/entitlements.js';
import { spanKey } from '../../../../../src/services/tiers/overage.js';

const MINUTE_MS = 60_000;
const small = fc.integer({ min: 0, max: 30 });
const steps = fc.array(
  fc.record({ calls: fc.integer({ min: 1, max: 10 }), minute: fc.integer({ min: 1, max: 4 }) }),
  {
    maxLength: 40,
  },
);
const limitsOf = fc.record({ apiCallsPerDay: small, apiCallsPerMinute: small, overageCallsPerMonth: small });

/** A day that is open for overage. */
const openView = (limits: CallLimits): UsageView =>
  viewOf(
    {
      calls: 0,
      overage: {
        used: 0,
        allotted: limits.overageCallsPerMonth,
        allowance: limits.overageCallsPerMonth,
        turn: 1,
      },
    } as never,
    0,
  );

describe('a view of the usage', () => {
  it('admits no call past the quota, the overage or the minute, in whatever sizes the calls come', () => {
    fc.assert(
      fc.property(limitsOf, steps, (limits, requests) => {
        const view = openView(limits);
        const perMinute = new Map<number, number>();
        let admitted = 0;
        let overage = 0;
        for (const { calls, minute: asked } of requests) {
          const minute = minuteToCharge(view, asked * MINUTE_MS);
          if (fullWindow(view, limits, calls, minute)) continue;
          overage += addCalls(view, limits, calls, minute);
          admitted += calls;
          perMinute.set(minute, (perMinute.get(minute) ?? 0) + calls);
        }
        expect(view.calls).toBe(admitted);
        expect(view.overage?.used).toBe(overage);
        expect(overage).toBe(Math.max(0, admitted - limits.apiCallsPerDay));
        expect(overage).toBeLessThanOrEqual(limits.overageCallsPerMonth);
        expect(Math.max(0, ...perMinute.values())).toBeLessThanOrEqual(limits.apiCallsPerMinute);
      }),
    );
  });

  it('rejects a call only if the window that it names has no room', () => {
    fc.assert(
      fc.property(limitsOf, steps, fc.integer({ min: 1, max: 10 }), (limits, before, calls) => {
        const view = openView(limits);
        for (const { calls: earlier, minute } of before) addCalls(view, limits, earlier, minute);
        const window = fullWindow(view, limits, calls, 4);
        const dayIsFull = view.calls + calls > limits.apiCallsPerDay + limits.overageCallsPerMonth;
        const minuteIsFull = callsInMinute(view, 4) + calls > limits.apiCallsPerMinute;
        expect(window).toBe(dayIsFull ? 'day' : minuteIsFull ? 'minute' : null);
      }),
    );
  });

  it('never charges an earlier minute than one that was charged, and reports the minute that it charges', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 0, max: 100 * MINUTE_MS }),
        (at, nowMs) => {
          const view = { ...emptyView(), minute: { at, calls: 3 } };
          const minute = minuteToCharge(view, nowMs);
          expect(minute).toBeGreaterThanOrEqual(at);
          const { atMs, minute: reported } = useOf(view, nowMs);
          expect(Math.floor(atMs / MINUTE_MS)).toBe(minute);
          expect(reported).toBe(minute === at ? 3 : 0);
        },
      ),
    );
  });

  it('is what it was before once all calls of a minute are returned', () => {
    fc.assert(
      fc.property(limitsOf, fc.array(fc.integer({ min: 1, max: 10 })), (limits, amounts) => {
        const view = openView(limits);
        for (const calls of amounts) addCalls(view, limits, calls, 7);
        for (const calls of amounts) subtractCalls(view, calls, 7);
        expect(view).toMatchObject({ calls: 0, overage: { used: 0 } });
        expect(callsInMinute(view, 7)).toBe(0);
      }),
    );
  });

  it('returns overage before calls within the quota', () => {
    const limits = { apiCallsPerDay: 5, apiCallsPerMinute: 100, overageCallsPerMonth: 10 };
    const view = openView(limits);
    expect(addCalls(view, limits, 8, 1)).toBe(3);
    expect(subtractCalls(view, 2, 1)).toBe(2);
    expect(subtractCalls(view, 2, 1)).toBe(1);
    expect(subtractCalls(view, 2, 1)).toBe(0);
    expect(view.calls).toBe(2);
  });

  it('needs opening only for calls past the quota of a tenant with overage, and not twice for one allowance', () => {
    const limits = { apiCallsPerDay: 5, apiCallsPerMinute: 100, overageCallsPerMonth: 10 };
    expect(needsOpening(emptyView(), limits, 5)).toBe(false);
    expect(needsOpening(emptyView(), limits, 6)).toBe(true);
    expect(needsOpening(emptyView(), { ...limits, overageCallsPerMonth: 0 }, 6)).toBe(false);
    expect(needsOpening(openView(limits), limits, 6)).toBe(false);
    expect(needsOpening(openView(limits), { ...limits, overageCallsPerMonth: 20 }, 6)).toBe(true);
  });

  it('counts as past the quota only the calls that are, also after the quota was lowered', () => {
    const limits = { apiCallsPerDay: 5, apiCallsPerMinute: 100, overageCallsPerMonth: 10 };
    expect(callsPastQuota({ ...emptyView(), calls: 4 }, limits, 3)).toBe(2);
    expect(callsPastQuota({ ...emptyView(), calls: 50 }, limits, 3)).toBe(3);
    expect(callsPastQuota({ ...emptyView(), calls: 1 }, limits, 3)).toBe(0);
  });

  it('subtracts overage from the span of its time, and no more than that span has', () => {
    const [first, second] = [spanKey(1_000), spanKey(9_000)];
    const view = openView({ apiCallsPerDay: 0, apiCallsPerMinute: 0, overageCallsPerMonth: 10 });
    expect(takeOffSpan(view, 5_000, 1)).toBeNull();
    addToSpan(view, first, 4);
    addToSpan(view, second, 2);
    expect(takeOffSpan(view, 5_000, 3)).toEqual({ span: first, calls: 3 });
    expect(takeOffSpan(view, 9_000, 3)).toEqual({ span: second, calls: 2 });
    expect(view.overage?.spans).toEqual({ [first]: 1, [second]: 0 });
  });

  it('shares nothing with its copy', () => {
    const limits = { apiCallsPerDay: 0, apiCallsPerMinute: 9, overageCallsPerMonth: 9 };
    const view = openView(limits);
    addToSpan(view, spanKey(0), 1);
    const before = structuredClone(view);
    const copy = copyOf(view);
    expect(copy).toEqual(before);
    addCalls(copy, limits, 2, 1);
    addToSpan(copy, spanKey(0), 2);
    expect(view).toEqual(before);
  });
});

describe('a minute counter', () => {
  it('never moves back and never counts below zero', () => {
    const changes = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: -9, max: 9 })));
    fc.assert(
      fc.property(changes, (list) => {
        const counter = { at: 2, calls: 0 };
        for (const [minute, calls] of list) {
          const { at } = counter;
          addToMinute(counter, minute, calls);
          expect(counter.at).toBe(Math.max(at, minute));
          expect(counter.calls).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});
