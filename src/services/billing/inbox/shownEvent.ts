/** A stored event as people and exports see it. The request is the operator's own, by which the event came about. */
export function shownEvent(payload: string): Record<string, unknown> {
  const { request: _request, ...event } = JSON.parse(payload) as Record<string, unknown>;
  return event;
}
