import type { BillingClient, Subscription, TenantArguments, UsagePeriod } from '@continuum-billing/client';
import { followed } from './liveStream.js';
import { createResource, type Resource } from './resource.js';

/** Which live updates say that a resource has changed. */
export type Topic = 'usage' | 'subscription';

/** What the parts of a provider know, and how it stays up to date. */
export interface BillingStore {
  readonly client: BillingClient;
  /** Names the tenant in every call, where the credential does not. */
  readonly tenant: TenantArguments;
  /** Whether somebody is signed in: without, only what anyone may read is read. */
  readonly hasTenant: boolean;
  /** @returns the same one for the same key */
  resource<T>(key: string, topic: Topic | null, load: () => Promise<T>): Resource<T>;
  /** Reads everything that is shown again. */
  refetch(): Promise<void>;
  /** Takes what a change has made of the subscription. What follows from it is read in the background. */
  changed(subscription: Subscription): void;
  /** Follows what is shown, while it is shown. @returns ends it */
  start(): () => void;
}

/** While live updates arrive, in case that a message was lost. */
const LIVE_POLL_MS = 60_000;
const POLL_MS = 15_000;

export const usageKey = (period: UsagePeriod): string => `usage:${period}`;

export function createStore(options: {
  client: BillingClient;
  tenant: TenantArguments;
  hasTenant: boolean;
  isLive: boolean;
  onError(error: unknown): void;
}): BillingStore {
  const { client, tenant, hasTenant, isLive, onError } = options;
  const resources = new Map<string, { resource: Resource<unknown>; topic: Topic | null }>();
  const used = (topic?: Topic) =>
    [...resources.values()].filter((entry) => entry.resource.isUsed && (!topic || entry.topic === topic));
  const refetch = async () => {
    await Promise.all(used().map(({ resource }) => resource.refetch()));
  };

  const usage = followed({
    open: (signal) => client.live.usageChanged(tenant, { signal }),
    onMessage(message) {
      for (const { resource, topic } of used('usage'))
        if (topic === 'usage' && resource !== resources.get(usageKey('DAY'))?.resource)
          void resource.refetch();
      resources.get(usageKey('DAY'))?.resource.set(message);
    },
  });
  const subscription = followed({
    open: (signal) => client.live.subscriptionChanged(tenant, { signal }),
    onMessage(message, isFirst) {
      resources.get('subscription')?.resource.set(message);
      // Limits, usage, and invoices follow from it.
      if (!isFirst) void refetch();
    },
  });
  const streams = { usage, subscription };

  /** Streams run while somebody looks at what they are about: browsers have few connections to a server. */
  function adjust(isRunning: boolean): void {
    const isSeen = isRunning && isLive && hasTenant && document.visibilityState === 'visible';
    for (const topic of ['usage', 'subscription'] as const)
      streams[topic].run(isSeen && used(topic).length > 0);
  }

  let isRunning = false;
  return {
    client,
    tenant,
    hasTenant,
    resource<T>(key: string, topic: Topic | null, load: () => Promise<T>) {
      const known = resources.get(key)?.resource as Resource<T> | undefined;
      if (known) return known;
      const onChanged = () => adjust(isRunning);
      const resource = createResource({ load, onUsed: onChanged, onUnused: onChanged, onError });
      resources.set(key, { resource: resource as Resource<unknown>, topic });
      return resource;
    },
    refetch,
    changed(next) {
      resources.get('subscription')?.resource.set(next);
      void refetch();
    },
    start() {
      isRunning = true;
      adjust(isRunning);
      const onVisibility = () => {
        adjust(isRunning);
        if (document.visibilityState === 'visible') void refetch();
      };
      document.addEventListener('visibilitychange', onVisibility);
      let timer: ReturnType<typeof setTimeout>;
      const poll = () => {
        const areLive = Object.values(streams).some((stream) => stream.isOpen);
        timer = setTimeout(
          () => {
            if (document.visibilityState === 'visible' && hasTenant) void refetch();
            poll();
          },
          areLive ? LIVE_POLL_MS : POLL_MS,
        );
      };
      poll();
      return () => {
        isRunning = false;
        adjust(isRunning);
        clearTimeout(timer);
        document.removeEventListener('visibilitychange', onVisibility);
      };
    },
  };
}
