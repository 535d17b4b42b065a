/** The JSON of an event, whatever version stored it: those before queues kept the event itself, not its text. */
export const payloadText = (payload: unknown): string =>
  typeof payload === 'string' ? payload : JSON.stringify(payload ?? null);
