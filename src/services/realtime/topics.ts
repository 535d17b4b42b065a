import type { UsageAlertDoc } from '../../models/usageAlert.js';
import type { UsagePeriod, UsageReading } from '../usage/usage.js';

/** What happened to a memory. */
export enum MemoryChangeKind {
  STORED = 'STORED',
  UPDATED = 'UPDATED',
  DELETED = 'DELETED',
  SHARED = 'SHARED',
}

/** What a stream is about. Streams of `usage` and `subscription` send a state: only the newest matters. */
export type Topic = 'usage' | 'subscription' | 'alert' | 'memory';

/** What a stream's messages are resolved from. Streams that want the same share the same object. */
export interface UsageEvent {
  reading: UsageReading;
}
export interface SubscriptionEvent {
  tenantId: string;
}
export interface AlertEvent {
  alert: UsageAlertDoc;
}
export interface MemoryEvent {
  tenantId: string;
  id: string;
  kind: MemoryChangeKind;
}

export interface TopicEvents {
  usage: UsageEvent;
  subscription: SubscriptionEvent;
  alert: AlertEvent;
  memory: MemoryEvent;
}

/** Which reading a stream of usage wants. */
export interface WantedUsage {
  period: UsagePeriod;
  /** Whether usage by endpoint is selected. */
  endpoints: boolean;
}
