import { createRemoteJWKSet, jwtVerify } from 'jose';

const { IDENTITY_URL = 'http://127.0.0.1:4001' } = process.env;
const keys = createRemoteJWKSet(new URL(`${IDENTITY_URL}/keys.json`));

/**
 * @param authorization the header
 * @returns the user whose valid token it has, and the organisation that pays, which is the external id of its tenant at billing; null for nobody
 */
export async function userOf(authorization) {
  const [, token] = /^Bearer (\S+)$/i.exec(authorization ?? '') ?? [];
  if (!token) return null;
  try {
    const { payload } = await jwtVerify(token, keys, { issuer: IDENTITY_URL, audience: 'lamps' });
    return { id: String(payload.sub), organization: String(payload.org) };
  } catch {
    return null;
  }
}
