import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';

/** For API responses, which load nothing and are not embedded in any page. */
const API_POLICY = policy({ 'default-src': ["'none'"] });

/**
 * For the page with Apollo Sandbox. Apollo adds its own policy with nonces, and both apply. The Sandbox runs in a frame
 * from Apollo, which has this page send its operations.
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

/** For the dashboard and the pages for customers, which load what they need from this server alone. */
export const PAGE_POLICY = policy({
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'data:'],
  'font-src': ["'self'"],
  'connect-src': ["'self'"],
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

/** @param sources the allowed sources by directive */
function policy(sources: Readonly<Record<string, readonly string[]>>): string {
  const own = Object.entries(sources).map(([name, values]) => `${name} ${values.join(' ')}`);
  return [...own, "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"].join('; ');
}

/**
 * The headers that helmet sets, computed once. On each request, that would cost as much as parsing a query.
 * @param https whether clients reach the server only by https. Only then may Strict-Transport-Security be sent
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
    // Signing in to Apollo Sandbox opens a window.
    crossOriginOpenerPolicy: { policy: 'same-origin-allow-popups' },
    strictTransportSecurity: https && { includeSubDomains: false },
    // Only obsolete browsers use these.
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
  })({} as IncomingMessage, collect as unknown as ServerResponse, () => undefined);
  return { ...headers, 'content-security-policy': API_POLICY };
}
