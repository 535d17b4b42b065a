const MAX_ID_CHARS = 255;

/** Stripe gives a reference as an id, or as the object itself. */
export function idOf(reference: unknown): string | null {
  const id =
    typeof reference === 'string' ? reference : (reference as { id?: unknown } | null | undefined)?.id;
  return typeof id === 'string' && id !== '' && id.length <= MAX_ID_CHARS ? id : null;
}

/** The JSON of an event, whatever version stored it: those before queues kept the event itself, not its text. */
export const payloadText = (payload: unknown): string =>
  typeof payload === 'string' ? payload : JSON.stringify(payload ?? null);
