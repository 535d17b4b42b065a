import { useEffect, useRef } from 'react';
import { useLive } from '../../api/live.js';
import { graphql } from '../../generated/index.js';

/** A message that equals the last one is not sent, so each has all that the page follows. */
const USAGE_CHANGED = graphql(`
  subscription BillingUsageChanged($tenantId: ID!) {
    usageChanged(tenantId: $tenantId, current: true) {
      apiCalls
      limit
      resetsAt
    }
  }
`);
const SUBSCRIPTION_CHANGED = graphql(`
  subscription BillingSubscriptionChanged($tenantId: ID!) {
    subscriptionChanged(tenantId: $tenantId, current: true) {
      ...Plan
    }
  }
`);
const ALERT_RAISED = graphql(`
  subscription BillingAlertRaised($tenantId: ID!) {
    alertRaised(tenantId: $tenantId) {
      id
    }
  }
`);

const POLL_MS = 15_000;
/** Three small reads, so that a message that was lost is no matter. */
const LIVE_POLL_MS = 30_000;

/**
 * Keeps the page up to date while it is open. A message says what to read again, so that all figures of the page are of
 * one moment. Everything is also read again each 30 s, and without live updates each 15 s.
 */
export function useBilling(handlers: {
  tenantId: string;
  /** When the current minute ends; null: nothing of it is used. */
  minuteEndsAt: string | null;
  onUsage(): unknown;
  onPlan(): unknown;
  onAlert(): unknown;
  onPoll(): unknown;
}): void {
  const { tenantId, minuteEndsAt } = handlers;
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  const variables = { tenantId };
  // The first message of a stream says that it has begun. What changed between loading the page and that is read now.
  const planBegan = useRef(false);
  const usage = useLive(USAGE_CHANGED, { variables, onData: () => void latest.current.onUsage() });
  const plan = useLive(SUBSCRIPTION_CHANGED, {
    variables,
    onData() {
      if (planBegan.current) void latest.current.onPlan();
      else void latest.current.onPoll();
      planBegan.current = true;
    },
    onReconnect() {
      planBegan.current = false;
    },
  });
  const alert = useLive(ALERT_RAISED, { variables, onData: () => void latest.current.onAlert() });

  const isLive = [usage, plan, alert].every((state) => state !== 'off');
  useEffect(() => {
    const timer = setInterval(
      () => {
        if (document.visibilityState === 'visible') void latest.current.onPoll();
      },
      isLive ? LIVE_POLL_MS : POLL_MS,
    );
    return () => clearInterval(timer);
  }, [isLive]);

  useEffect(() => {
    if (minuteEndsAt === null) return;
    const wait = Math.max(Date.parse(minuteEndsAt) - Date.now(), 0) + 1_000;
    const timer = setTimeout(() => void latest.current.onUsage(), Math.min(wait, 61_000));
    return () => clearTimeout(timer);
  }, [minuteEndsAt]);
}
