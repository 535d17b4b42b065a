import { BillingClientError } from './errors.js';

/** A token and when it ends, as `createTenantToken` returns it. */
export interface ExpiringToken {
  token: string;
  expiresAt: string | Date;
}

/** Fetches a token, e.g. from your own server. Called again when the token ends or the server rejects it. */
export type TokenSource = () => string | ExpiringToken | Promise<string | ExpiringToken>;

export interface CredentialOptions {
  /** A key of the billing server. Not for browsers: use tokens there. */
  apiKey?: string;
  /** A tenant's token or your identity provider's JWT, or a function that fetches one. */
  token?: string | TokenSource;
}

/** How requests say who asks. */
export interface Credentials {
  headers(): Promise<Record<string, string>>;
  /** Forgets the token. @returns false if there is no way to get another one */
  renew(): boolean;
  /** The text without the key or token. */
  redact(text: string): string;
}

/** A token that is about to end is not used: it could end on its way. */
const RENEW_BEFORE_END_MS = 10_000;

export function createCredentials({ apiKey, token }: CredentialOptions): Credentials {
  if (apiKey !== undefined && token !== undefined)
    throw new TypeError('Pass either apiKey or token, not both');
  if (typeof token === 'function') return renewable(token);
  const secret = apiKey ?? token;
  if (secret !== undefined) checkSecret(secret, apiKey === undefined ? 'token' : 'apiKey');
  return {
    headers: async () => headersOf(secret, apiKey !== undefined),
    renew: () => false,
    redact: (text) => redacted(text, secret),
  };
}

/** Requests that need a token at the same time share one call of its source. */
function renewable(source: TokenSource): Credentials {
  let current: { token: Promise<string>; endsAtMs: number } | null = null;
  let last: string | undefined;

  function fetchToken(): Promise<string> {
    const fetching = { token: load(), endsAtMs: Number.POSITIVE_INFINITY };
    async function load(): Promise<string> {
      const loaded = await ask(source);
      const token = typeof loaded === 'string' ? loaded : loaded.token;
      checkSecret(token, 'token');
      if (typeof loaded !== 'string') fetching.endsAtMs = new Date(loaded.expiresAt).getTime();
      last = token;
      return token;
    }
    current = fetching;
    fetching.token.catch(() => {
      if (current === fetching) current = null;
    });
    return fetching.token;
  }

  return {
    async headers() {
      const isUsable = current && Date.now() < current.endsAtMs - RENEW_BEFORE_END_MS;
      return headersOf(await (isUsable && current ? current.token : fetchToken()), false);
    },
    renew() {
      current = null;
      return true;
    },
    redact: (text) => redacted(text, last),
  };
}

async function ask(source: TokenSource): Promise<string | ExpiringToken> {
  try {
    return await source();
  } catch (error) {
    if (error instanceof BillingClientError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new BillingClientError('NETWORK_ERROR', `The token could not be fetched: ${reason}`, {
      changedNothing: true,
    });
  }
}

function headersOf(secret: string | undefined, isKey: boolean): Record<string, string> {
  if (secret === undefined) return {};
  return isKey ? { 'x-api-key': secret } : { authorization: `Bearer ${secret}` };
}

/** The errors of `fetch` quote a header that it does not accept. */
function checkSecret(secret: unknown, name: string): asserts secret is string {
  if (typeof secret === 'string' && /^[\x21-\x7e]+$/.test(secret)) return;
  throw new BillingClientError(
    'UNAUTHENTICATED',
    `${name} must be a text of printable ASCII characters without spaces; it is ${
      typeof secret === 'string' ? (secret === '' ? 'empty' : 'not') : typeof secret
    }`,
    { changedNothing: true },
  );
}

const redacted = (text: string, secret: string | undefined): string =>
  secret ? text.replaceAll(secret, '[redacted]') : text;
