const MAX_ID_CHARS = 255;

/** Stripe gives a reference as an id, or as the object itself. */
export function idOf(reference: unknown): string | null {
  const id =
    typeof reference === 'string' ? reference : (reference as { id?: unknown } | null | undefined)?.id;
  return typeof id === 'string' && id !== '' && id.length <= MAX_ID_CHARS ? id : null;
}
