import type { ApolloClient } from '@apollo/client';
import { useApolloClient } from '@apollo/client/react';
import { useEffect, useMemo, useRef } from 'react';
import { type LiveState, useLive } from '../../api/live.js';
import { graphql } from '../../generated/index.js';

const USAGE_CHANGED = graphql(`
  subscription TenantUsageChanged($tenantId: ID!) {
    usageChanged(tenantId: $tenantId, period: DAY, current: true) {
      ...UsageNow
    }
  }
`);

/** A message that equals the last one is not sent, so it has all that the page follows. */
const SUBSCRIPTION_CHANGED = graphql(`
  subscription TenantSubscriptionChanged($tenantId: ID!) {
    subscriptionChanged(tenantId: $tenantId, current: true) {
      ...SubscriptionFacts
      tier {
        limits {
          ...AllLimits
        }
      }
    }
  }
`);

const ALERT_RAISED = graphql(`
  subscription TenantAlertRaised($tenantId: ID!) {
    alertRaised(tenantId: $tenantId) {
      id
    }
  }
`);

const USAGE_TODAY = graphql(`
  query TenantUsageToday($tenantId: ID!) {
    usage(tenantId: $tenantId, period: DAY) {
      ...UsageNow
    }
  }
`);

/** What follows from more calls. The day is among it, because a read that began before its message may end after it. */
const USAGE_BESIDE = graphql(`
  query TenantUsageBeside($tenantId: ID!) {
    today: usage(tenantId: $tenantId, period: DAY) {
      ...UsageNow
    }
    minute: usage(tenantId: $tenantId, period: MINUTE) {
      ...UsageNow
    }
    month: usage(tenantId: $tenantId, period: MONTH) {
      ...UsageNow
    }
    overage(tenantId: $tenantId) {
      ...OverageNow
    }
    storage(tenantId: $tenantId) {
      memories
      embeddings
      bytes
      resources {
        resource
        stored
      }
    }
  }
`);

const BESIDE_MS = 3_000;
const AGAIN_MS = 300;

/** Lists that a person has paged through stay as they are. */
const FOLLOWS_SUBSCRIPTION = new Set(['Tenant', 'TenantOverview', 'TenantBilling', 'TenantLimits']);
const FOLLOWS_ALERTS = new Set(['TenantOverview', 'TenantAlerts']);

/**
 * Keeps what the page shows of a tenant as it is now. Without live updates the page shows what it read.
 * @param skip until the tenant is known, and once it is erased: there is nothing to follow then
 */
export function useTenantLive(tenantId: string, skip: boolean): LiveState {
  const client = useApolloClient();
  const later = useLater(client, tenantId);
  useEffect(() => {
    if (skip) later.stop();
  }, [skip, later]);
  const variables = { tenantId };
  const isFirst = useRef(true);
  const usage = useLive(USAGE_CHANGED, {
    variables,
    skip,
    onData({ usageChanged }) {
      client.writeQuery({ query: USAGE_TODAY, variables, data: { usage: usageChanged } });
      // The first message is the state at the beginning, which the page has just read.
      if (!isFirst.current) later.readBeside();
      isFirst.current = false;
    },
    onReconnect: later.readAll,
  });
  useLive(SUBSCRIPTION_CHANGED, { variables, skip, onData: later.readSubscription });
  useLive(ALERT_RAISED, { variables, skip, onData: later.readAlerts });
  return usage;
}

/** Reads again a moment later, once for many messages. */
function useLater(client: ApolloClient, tenantId: string) {
  const later = useMemo(() => {
    const timers = new Map<() => void, ReturnType<typeof setTimeout>>();
    const once = (ms: number, read: () => Promise<unknown>) => {
      const start = () => {
        if (timers.has(start)) return;
        timers.set(
          start,
          setTimeout(() => {
            timers.delete(start);
            // Each query of the page shows its own error.
            read().catch(() => undefined);
          }, ms),
        );
      };
      return start;
    };
    const again = (names: ReadonlySet<string>) => () =>
      client.refetchQueries({
        include: 'active',
        onQueryUpdated: ({ queryName }) => queryName !== undefined && names.has(queryName),
      });
    return {
      readBeside: once(BESIDE_MS, () =>
        client.query({ query: USAGE_BESIDE, variables: { tenantId }, fetchPolicy: 'network-only' }),
      ),
      readSubscription: once(AGAIN_MS, again(FOLLOWS_SUBSCRIPTION)),
      readAlerts: once(AGAIN_MS, again(FOLLOWS_ALERTS)),
      readAll: once(AGAIN_MS, again(new Set([...FOLLOWS_SUBSCRIPTION, ...FOLLOWS_ALERTS]))),
      stop() {
        for (const timer of timers.values()) clearTimeout(timer);
        timers.clear();
      },
    };
  }, [client, tenantId]);
  useEffect(() => later.stop, [later]);
  return later;
}
