import { isLoopbackHost } from '../common/network.js';

/** How tokens of the team's identity provider are accepted. */
export interface JwtConfig {
  issuer: string;
  /** A token is for this server if its audience is one of them. */
  audience: readonly string[];
  /** Where the issuer publishes the keys that it signs with. */
  jwksUrl: URL;
  /** The claim that has the tenant's external id. */
  tenantClaim: string;
  /** The claim that has the scopes; null: every token can only read. */
  scopesClaim: string | null;
  /** Whether a token of an unknown tenant creates it. */
  createTenants: boolean;
}

/** The same, as it is configured. */
export interface JwtSettings {
  issuer?: string | undefined;
  /** Several are separated by commas. */
  audience?: string | undefined;
  jwksUrl?: string | undefined;
  tenantClaim?: string | undefined;
  scopesClaim?: string | undefined;
  createTenants?: boolean | undefined;
}

const REQUIRED = ['issuer', 'audience', 'jwksUrl', 'tenantClaim'] as const;

/**
 * @param nameOf the name by which a setting is known where it is configured
 * @param errors gets one line for each error
 * @returns null if JWTs are not accepted, or if there are errors
 */
export function readJwt(
  settings: JwtSettings,
  nameOf: (setting: keyof JwtSettings) => string,
  production: boolean,
  errors: string[],
): JwtConfig | null {
  if (Object.values(settings).every((value) => value === undefined)) return null;
  const missing = REQUIRED.filter((setting) => !settings[setting]);
  const together = REQUIRED.map(nameOf).join(', ');
  errors.push(...missing.map((setting) => `${nameOf(setting)}: is missing; JWTs need ${together}`));
  const { issuer, audience, jwksUrl, tenantClaim, scopesClaim, createTenants } = settings;
  const error = jwksUrl === undefined ? null : errorOfUrl(jwksUrl, production);
  if (error !== null) errors.push(`${nameOf('jwksUrl')}: ${error}`);
  if (!issuer || !audience || !jwksUrl || !tenantClaim || error !== null) return null;
  return {
    issuer,
    audience: audience.split(',').map((one) => one.trim()),
    jwksUrl: new URL(jwksUrl),
    tenantClaim,
    scopesClaim: scopesClaim ?? null,
    createTenants: createTenants ?? false,
  };
}

/** Anyone who can change the keys on their way can sign tokens of every tenant. */
function errorOfUrl(text: string, production: boolean): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol)) return 'must be an https URL';
  if (url.username || url.password) return 'must not contain a user name or password';
  const isSafe = url.protocol === 'https:' || isLoopbackHost(url.hostname.replace(/^\[|\]$/g, ''));
  return isSafe || !production ? null : 'must be an https URL in production, except on this machine';
}
