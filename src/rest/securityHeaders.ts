import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';

/** Nothing is loaded from an answer of the API, and no page shows it. */
const API_POLICY = policy({ 'default-src': ["'none'"] });

/**
 * Apollo's page has a policy of its own besides, with nonces; both count. The Sandbox itself is in a frame of Apollo's,
 * and lets this page send its operations.
 */
export const SANDBOX_POLICY = policy({
  'default-src': ["'none'"],
  'script-src': ["'unsafe-inline'", 'https://embeddable-sandbox.cdn.apollographql.com'],
  'style-src': [
    "'unsafe-inline'",
    'https://embeddable-sandbox.cdn.apollographql.com',
    'https://fonts.googleapis.com',
  ],
  'font-src': ['https://fonts.gstatic.com'],
  'img-src': ["'self'", 'data:', 'https://apollo-server-landing-page.cdn.apollographql.com'],
  'manifest-src': ['https://apollo-server-landing-page.cdn.apollographql.com'],
  'frame-src': ['https://sandbox.embed.apollographql.com'],
  'connect-src': ["'self'", 'https://*.apollographql.com'],
});

export const SWAGGER_POLICY = policy({
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  // Swagger UI sets styles on its elements.
  'style-src': ["'self'", "'unsafe-inline'"],
  'img-src': ["'self'", 'data:'],
  'font-src': ["'self'", 'data:'],
  'connect-src': ["'self'"],
});

/** @param sources by directive */
function policy(sources: Readonly<Record<string, readonly string[]>>): string {
  const own = Object.entries(sources).map(([name, values]) => `${name} ${values.join(' ')}`);
  return [...own, "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"].join('; ');
}

/**
 * What helmet sets, worked out once: on each request it would cost as much as the parsing of a query.
 * @param https whether clients reach the server by https alone; only then may a browser be told to insist on it
 */
export function securityHeaders({ https }: { https: boolean }): Record<string, string> {
  const headers: Record<string, string> = {};
  const collect = {
    setHeader: (name: string, value: string) => {
      headers[name.toLowerCase()] = value;
    },
    removeHeader: () => undefined,
  };
  helmet({
    contentSecurityPolicy: false,
    xFrameOptions: { action: 'deny' },
    // A sign-in to Apollo's Sandbox opens a window.
    crossOriginOpenerPolicy: { policy: 'same-origin-allow-popups' },
    strictTransportSecurity: https && { includeSubDomains: false },
    // Of browsers that are gone.
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
  })({} as IncomingMessage, collect as unknown as ServerResponse, () => undefined);
  return { ...headers, 'content-security-policy': API_POLICY };
}
