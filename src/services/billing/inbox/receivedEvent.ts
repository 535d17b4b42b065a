import { z } from 'zod';

const id = z.string().regex(/^[\w.-]{1,128}$/, 'must be 1 to 128 letters, digits, dots, _ or -');
/** What MongoDB holds as it is: no control characters (NUL among them) and no lone surrogates. */
const text = z.string().regex(/^[^\p{Cc}\p{Cs}]{1,255}$/u, 'must be 1 to 255 characters of text');
/** Anything else says as little as a missing one. */
const livemode = z.boolean().nullable().catch(null);

/** Not looked into: a copy of it, key by key, would be all that is gained. */
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

/** The part of a snapshot event that is relied on. */
const snapshot = z.looseObject({
  id,
  type: text,
  livemode,
  data: z.looseObject({ object: subject }),
});

/** A thin event, as API v2 notifies of it: it names the object, and the snapshot event if there is one. */
const thin = z.looseObject({
  id,
  object: z.literal('v2.core.event'),
  type: text,
  livemode,
  snapshot_event: id.nullish(),
  related_object: z.looseObject({ id: text, type: text }).nullish(),
});

/** An event in either of Stripe's formats. */
export interface ReceivedEvent {
  id: string;
  type: string;
  /** JSON as it came. */
  payload: string;
  /** Whether it is about objects of Stripe's live mode; null: the event does not say. */
  livemode: boolean | null;
  /** The object as the event shows it: of a thin event its id and kind alone. */
  subject: Record<string, unknown>;
  isThin: boolean;
  /** Of a thin event: the snapshot event that tells of the same change. */
  twinId: string | null;
}

/** How deep Stripe's objects are nested is less than half of it. */
const MAX_DEPTH = 40;
/** Values of one event; Stripe's largest have some thousands. */
const MAX_VALUES = 50_000;

/** @throws Error that says in a person's words why the text is no event */
export function readEvent(payload: string): ReceivedEvent {
  // Before it is parsed: what a parser makes of a bomb is not for us to find out.
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
  return {
    id: event.id,
    type: event.type,
    payload,
    livemode: event.livemode,
    subject: event.data.object,
    isThin: false,
    twinId: null,
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
    subject: related ? { id: related.id, object: related.type } : {},
    isThin: true,
    twinId: event.snapshot_event ?? null,
  };
}

function parse<T>(schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'body'} ${issue.message}`);
  throw new Error(`is not a Stripe event: ${faults.join('; ')}`);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
/** Both kinds of brackets, in lower case as it were. */
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
      throw new Error('is nested too deeply, or has too many values');
  }
}
