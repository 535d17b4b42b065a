// An identity provider for the examples: it publishes its keys, and signs in everybody as whom they like. Yours is Auth0, Keycloak, …
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { listen } from './listen.mjs';

const { publicKey, privateKey } = await generateKeyPair('ES256');
const keys = [{ ...(await exportJWK(publicKey)), kid: 'example', alg: 'ES256', use: 'sig' }];

/** For the example's API, and for billing where it verifies users itself. */
const AUDIENCES = ['lamps', 'billing'];

const sign = (issuer, user, org) =>
  new SignJWT({ org, name: org, scope: 'READ WRITE' })
    .setProtectedHeader({ alg: 'ES256', kid: 'example' })
    .setIssuer(issuer)
    .setAudience(AUDIENCES)
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(privateKey);

async function answer(request, response) {
  const issuer = `http://${request.headers.host}`;
  const { pathname, searchParams } = new URL(request.url, issuer);
  const [user, org] = [searchParams.get('user'), searchParams.get('org')];
  response.setHeader('content-type', 'application/json');
  if (pathname === '/keys.json') return response.end(JSON.stringify({ keys }));
  if (pathname === '/sign-in' && user && org)
    return response.end(JSON.stringify({ token: await sign(issuer, user, org) }));
  response.writeHead(404).end('{"error":"GET /keys.json, or POST /sign-in?user=…&org=…"}');
}

listen(answer, 4001);
