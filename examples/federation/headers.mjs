/** The caller's key goes to every subgraph; the secret, which lets a gateway in, to billing alone. */
export function headersTo(subgraph, apiKey) {
  return {
    ...(apiKey && { 'x-api-key': apiKey }),
    ...(subgraph === 'billing' && { 'x-gateway-secret': process.env.GATEWAY_SECRET }),
  };
}

/** What a client may want to see of the answers of billing, and of subgraphs that use its library. */
const LIMIT_HEADERS = [
  'x-ratelimit-limit-day',
  'x-ratelimit-limit-minute',
  'x-ratelimit-remaining-day',
  'x-ratelimit-remaining-minute',
  'x-ratelimit-reset',
  'x-tier',
  'ratelimit-policy',
  'ratelimit',
  'retry-after',
];

/** @param headers of a subgraph's answer */
export function limitHeadersOf(headers) {
  const present = LIMIT_HEADERS.filter((name) => headers.has(name));
  return Object.fromEntries(present.map((name) => [name, headers.get(name)]));
}
