import { SAMPLE_DOMAIN, SAMPLE_FIELDS } from '../../api/sampleDomain.js';
import { formatBytes, formatCount, formatNumber, intLimit } from '../../design/index.js';
import type { AlertKind, TierSource } from '../../generated/graphql.js';

export const calls = (count: number): string => formatCount(count, 'call');

export const SOURCES: Readonly<Record<TierSource, string>> = {
  CONTRACT: 'An override of an operator',
  SUBSCRIPTION: 'Its subscription',
  GRACE_PERIOD: 'Its subscription, in the grace period after a failed payment',
  DEFAULT: 'The default: nothing gives it another tier',
};

/** Sources as they stand before "does not apply, because". */
export const SOURCE_NAMES: Readonly<Record<TierSource, string>> = {
  CONTRACT: 'Override',
  SUBSCRIPTION: 'Subscription',
  GRACE_PERIOD: 'Grace period',
  DEFAULT: 'Default tier',
};

export const ALERTS: Readonly<Record<AlertKind, { label: string; format: (value: number) => string }>> = {
  API_CALLS_PER_DAY: { label: 'Calls a day', format: calls },
  OVERAGE_PER_MONTH: { label: 'Overage calls a month', format: calls },
  MEMORIES: { label: 'Memories', format: (count) => formatCount(count, 'memory', 'memories') },
  EMBEDDINGS: { label: 'Embeddings', format: (count) => formatCount(count, 'embedding') },
  STORAGE_BYTES: { label: 'Storage', format: formatBytes },
};

const ALL_LIMITS = [
  {
    key: 'apiCallsPerMinute',
    label: 'Calls a minute',
    unit: undefined,
    format: (limit: number) => calls(intLimit(limit)),
  },
  { key: 'apiCallsPerDay', label: 'Calls a UTC day', unit: undefined, format: calls },
  {
    key: 'concurrentRequests',
    label: 'Concurrent requests',
    unit: undefined,
    format: (limit: number) => formatCount(intLimit(limit), 'request'),
  },
  { key: 'maxMemories', label: 'Memories', unit: undefined, format: ALERTS.MEMORIES.format },
  { key: 'maxEmbeddings', label: 'Embeddings', unit: undefined, format: ALERTS.EMBEDDINGS.format },
  { key: 'maxStorageBytes', label: 'Storage', unit: 'bytes', format: formatBytes },
  {
    key: 'maxExtractionBatchSize',
    label: 'Extraction batch',
    unit: 'items',
    format: (limit: number) => formatCount(intLimit(limit), 'item'),
  },
  {
    key: 'federationPriority',
    label: 'Federation priority',
    unit: '0: none',
    format: (priority: number) => (priority === 0 ? '0, no federation' : formatNumber(intLimit(priority))),
  },
] as const;

export type LimitKey = (typeof ALL_LIMITS)[number]['key'];

/** The limits of a tier, in the order of the page. */
export const LIMITS = ALL_LIMITS.filter(({ key }) => SAMPLE_DOMAIN || !SAMPLE_FIELDS.has(key));
