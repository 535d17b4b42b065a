import { z } from 'zod';

const id = z.string().regex(/^[\w.-]{1,128}$/, 'must be 1 to 128 letters, digits, dots, _ or -');
/** Text that MongoDB stores unchanged: no control characters (such as NUL) and no lone surrogates. */
const text = z.string().regex(/^[^\p{Cc}\p{Cs}]{1,255}$/u, 'must be 1 to 255 characters of text');
/** Any other value is treated like a missing one. */
const livemode = z.boolean().nullable().catch(null);

/** The largest time that is taken for one: in the year 5138. */
export const MAX_SECONDS = 1e11;

/** Seconds, in thin events text. Any other value is treated like a missing one. */
const created = z
  .union([z.number().int().positive().max(MAX_SECONDS), z.iso.datetime()])
  .nullable()
  .catch(null);

/** The object's fields are not validated, because that would only copy it key by key. */
function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The references of an object that are stored with its event. */
const REFERENCES = ['id', 'customer', 'charge'] as const;

/** @param reference an id, the object itself, or nothing */
function isStorable(reference: unknown): boolean {
  const given = isObject(reference) ? (reference as { id?: unknown }).id : reference;
  return typeof given !== 'string' || given === '' || text.safeParse(given).success;
}

const subject = z
  .custom<Record<string, unknown>>(isObject, { message: 'must be an object', abort: true })
  .refine((object) => REFERENCES.every((name) => isStorable(object[name])), {
    message: `must have ids (${REFERENCES.join(', ')}) of at most 255 characters of text`,
  });

/** The fields of a snapshot event that are used. */
const snapshot = z.looseObject({
  id,
  type: text,
  livemode,
  created,
  data: z.looseObject({ object: subject, previous_attributes: z.unknown().optional() }),
});

/** A thin event of API v2. It names its object, and the snapshot event of the same change if there is one. */
const thin = z.looseObject({
  id,
  object: z.literal('v2.core.event'),
  type: text,
  livemode,
  created,
  snapshot_event: id.nullish(),
  related_object: z.looseObject({ id: text, type: text }).nullish(),
});

/** An event in either of Stripe's two formats. */
export interface ReceivedEvent {
  id: string;
  type: string;
  /** The JSON as received. */
  payload: string;
  /** Whether the event belongs to Stripe's live mode; null: the event does not say. */
  livemode: boolean | null;
  /** By Stripe's clock; null: the event does not say. */
  occurredAt: Date | null;
  /** The names of the object's fields that changed, if the event says so. */
  changed: readonly string[];
  /** The object in the event; a thin event has only its id and type. */
  subject: Record<string, unknown>;
  isThin: boolean;
  /** The snapshot event of the same change, if a thin event names one. */
  snapshotId: string | null;
}

/** More than twice the depth of Stripe's objects. */
const MAX_DEPTH = 40;
/** Stripe's largest events have a few thousand values. */
const MAX_VALUES = 50_000;

/** @throws Error with a message for the sender that says why the text is not an event */
export function readEvent(payload: string): ReceivedEvent {
  // Checked before parsing, so that a JSON bomb never reaches the parser.
  boundJson(payload);
  let json: unknown;
  try {
    json = JSON.parse(payload);
  } catch {
    throw new Error('is not JSON');
  }
  const isThin = (json as { object?: unknown } | null)?.object === 'v2.core.event';
  return isThin ? readThin(json, payload) : readSnapshot(json, payload);
}

function readSnapshot(json: unknown, payload: string): ReceivedEvent {
  const event = parse(snapshot, json);
  const { previous_attributes: previous } = event.data;
  return {
    id: event.id,
    type: event.type,
    payload,
    livemode: event.livemode,
    occurredAt: instantOf(event.created),
    changed: isObject(previous) ? Object.keys(previous as object) : [],
    subject: event.data.object,
    isThin: false,
    snapshotId: null,
  };
}

function readThin(json: unknown, payload: string): ReceivedEvent {
  const event = parse(thin, json);
  const related = event.related_object;
  return {
    id: event.id,
    type: event.type,
    payload,
    livemode: event.livemode,
    occurredAt: instantOf(event.created),
    changed: [],
    subject: related ? { id: related.id, object: related.type } : {},
    isThin: true,
    snapshotId: event.snapshot_event ?? null,
  };
}

const instantOf = (at: number | string | null): Date | null =>
  at === null ? null : new Date(typeof at === 'number' ? at * 1000 : at);

function parse<T>(schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'body'} ${issue.message}`);
  throw new Error(`is not a Stripe event: ${problems.join('; ')}`);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
/** `{` and `}`; setting the case bit maps `[` and `]` to the same codes. */
const OPENING = 0x7b;
const CLOSING = 0x7d;
const CASE_BIT = 0x20;

function boundJson(text: string): void {
  let depth = 0;
  let values = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === BACKSLASH) i++;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === COMMA) values++;
    else if ((code | CASE_BIT) === CLOSING) depth--;
    else if ((code | CASE_BIT) === OPENING) {
      depth++;
      values++;
    }
    if (depth > MAX_DEPTH || values > MAX_VALUES)
      throw new Error(`is nested more than ${MAX_DEPTH} levels deep or has more than ${MAX_VALUES} values`);
  }
}
