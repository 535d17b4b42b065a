import type { z } from 'zod';
import type { Tx } from './storage/store.js';
import type { EventBody } from './wire.js';

/** What a change may use: its transaction, the time at which it happens, and a way to write events. */
export interface Change {
  tx: Tx;
  /** Seconds of the mock's clock. */
  nowS: number;
  /** Writes an event of this change, in its transaction. */
  emit(type: string, object: unknown, previous?: Record<string, unknown>): Promise<void>;
  publicUrl(): string;
  /** What Stripe Tax charges, such as `7.5`. */
  taxPercent: string;
}

/** What an operation gets in addition to its parameters. */
export interface Call extends Change {
  /** From the path, such as the `:id` of `/v1/customers/:id`. */
  id: string;
  /** The path without its query: lists return it as `url`. */
  path: string;
  /** Where a person finds the page of a session. */
  pageUrl(page: 'checkout' | 'portal', sessionId: string): string;
  /** Seconds of the machine's clock, by which clients date requests: the mock's may be months ahead. */
  machineNowS: number;
}

export type Method = 'GET' | 'POST' | 'DELETE';

export interface Operation {
  method: Method;
  /** Segments; `:id` stands for one. */
  path: string;
  params: z.ZodType;
  run(call: Call, params: unknown): Promise<unknown>;
}

/** Ties the parameters that `run` takes to the schema that checks them. */
export function operation<Schema extends z.ZodType>(
  method: Method,
  path: string,
  params: Schema,
  run: (call: Call, params: z.infer<Schema>) => Promise<unknown>,
): Operation {
  return { method, path, params, run: (call, parsed) => run(call, parsed as z.infer<Schema>) };
}

export type EventRequest = EventBody['request'];
