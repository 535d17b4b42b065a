import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

/** How the provider answers who asks for its keys. */
type Answer = (response: ServerResponse, keys: { keys: JWK[] }) => void;

export interface SignOptions {
  /** Default: the current key. */
  key?: SigningKey;
  kid?: string;
  /** Seconds from now; null: no such claim. Default: 300. */
  expiresInS?: number | null;
}

export interface SigningKey {
  kid: string;
  alg: string;
  privateKey: CryptoKey;
  jwk: JWK;
}

/** An identity provider that publishes its keys over HTTP and signs what the tests ask for. */
export interface IdentityProvider {
  issuer: string;
  jwksUrl: string;
  /** How often its keys were asked for. */
  readonly asked: number;
  answer: Answer;
  current(): SigningKey;
  /** Makes a key that signs from now on. @param keep whether the earlier ones stay published */
  rotate(alg?: string, keep?: boolean): Promise<SigningKey>;
  sign(claims: JWTPayload, options?: SignOptions): Promise<string>;
  stop(): Promise<void>;
}

export const AUDIENCE = 'billing';
export const TENANT_CLAIM = 'https://app.example/tenant';

export const answerKeys: Answer = (response, keys) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(keys));
};

export async function createSigningKey(alg = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const kid = `key-${alg}-${Math.random()}`;
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

export async function startIdentityProvider(clock: { now(): number }): Promise<IdentityProvider> {
  let keys = [await createSigningKey()];
  let asked = 0;
  const server = createServer((_, response) => {
    asked++;
    provider.answer(response, { keys: keys.map(({ jwk }) => jwk) });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const current = () => keys.at(-1) as SigningKey;
  const provider: IdentityProvider = {
    issuer,
    jwksUrl: `${issuer}keys.json`,
    get asked() {
      return asked;
    },
    answer: answerKeys,
    current,
    async rotate(alg, keep = true) {
      const key = await createSigningKey(alg);
      keys = keep ? [...keys, key] : [key];
      return key;
    },
    sign(claims, { key = current(), kid = key.kid, expiresInS = 300 } = {}) {
      const now = Math.floor(clock.now() / 1000);
      const all = { iss: issuer, aud: AUDIENCE, iat: now, ...claims };
      const token = new SignJWT(all).setProtectedHeader({ alg: key.alg, kid });
      if (expiresInS !== null) token.setExpirationTime(now + expiresInS);
      return token.sign(key.privateKey);
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return provider;
}

/** The variables that make a server accept the provider's tokens. */
export const jwtVariables = ({ issuer, jwksUrl }: IdentityProvider) => ({
  JWT_ISSUER: issuer,
  JWT_AUDIENCE: AUDIENCE,
  JWT_JWKS_URL: jwksUrl,
  JWT_TENANT_CLAIM: TENANT_CLAIM,
  JWT_SCOPES_CLAIM: 'scope',
});
