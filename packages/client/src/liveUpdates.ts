import * as documents from './generated/operations.js';
import type { LiveOptions, LiveStreams } from './live.js';
import type { TenantArguments } from './operations.js';
import type { TypedDocument } from './typedDocument.js';

/** Changes as they happen, on whatever instance of the server. */
export interface LiveUpdates {
  /** Usage of the current window: as it is now, then after every change, at most once a second. */
  usageChanged(
    args?: TenantArguments & { period?: documents.UsagePeriod },
    options?: LiveOptions,
  ): AsyncGenerator<documents.UsageFragment, void>;
  /** The subscription: as it is now, then after every change of it or of the tier. */
  subscriptionChanged(
    args?: TenantArguments,
    options?: LiveOptions,
  ): AsyncGenerator<documents.SubscriptionFragment, void>;
  /** Each alert once, when it is raised. Alerts of the time without a connection are read after it. */
  alertRaised(
    args?: TenantArguments,
    options?: LiveOptions,
  ): AsyncGenerator<documents.UsageAlertFragment, void>;
}

/** Reads one page of alerts, newest first. */
export type ReadAlerts = (
  args: TenantArguments & { first: number },
  options: { signal?: AbortSignal },
) => Promise<{ edges: { node: documents.UsageAlertFragment }[] }>;

/** As many alerts as a page has, which is more than a tenant gets in a day. */
const PAGE = 100;
const MAX_KNOWN = 1_000;

export function createLiveUpdates(streams: LiveStreams, readAlerts: ReadAlerts): LiveUpdates {
  /** A state: each connection begins with it, so that nothing is missed. */
  async function* state<D extends object, V extends object>(
    document: TypedDocument<D, V>,
    variables: V,
    options?: LiveOptions,
  ): AsyncGenerator<D[keyof D], void> {
    for await (const data of streams.messages(document, variables, options)) yield Object.values(data)[0];
  }

  return {
    usageChanged: (args, options) =>
      state(documents.UsageChangedDocument, { ...args, current: true }, options),
    subscriptionChanged: (args, options) =>
      state(documents.SubscriptionChangedDocument, { ...args, current: true }, options),
    async *alertRaised(args = {}, options = {}) {
      const { signal } = options;
      const before = new Set<string>();
      const yielded = new Set<string>();
      const isNew = ({ id }: documents.UsageAlertFragment) => {
        if (yielded.has(id)) return false;
        yielded.add(id);
        const [oldest] = yielded;
        if (yielded.size > MAX_KNOWN && oldest !== undefined) yielded.delete(oldest);
        return true;
      };
      const catchUp = async (isFirst: boolean) => {
        const { edges } = await readAlerts({ ...args, first: PAGE }, signal ? { signal } : {});
        const alerts = edges.map(({ node }) => node).reverse();
        if (isFirst) for (const { id } of alerts) before.add(id);
        return alerts.filter(({ id }) => !before.has(id)).map((alertRaised) => ({ alertRaised }));
      };
      const messages = streams.messages(documents.AlertRaisedDocument, args, options, catchUp);
      for await (const { alertRaised } of messages) if (isNew(alertRaised)) yield alertRaised;
    },
  };
}
