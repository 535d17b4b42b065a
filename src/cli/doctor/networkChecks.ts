import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { InspectedConfig } from '../../config/config.js';
import { createModels } from '../../models/models.js';
import { INSTANCE_HEADER } from '../../rest/health.js';
import { within } from '../../services/infrastructure/within.js';
import { type Check, check, failed, ok, skipped, warning } from './check.js';
import type { ReachedDatabase } from './databaseChecks.js';

const TIMEOUT_MS = 5_000;
const DAY_MS = 86_400_000;
const MIN_CERTIFICATE_DAYS = 14;
const REDIS_FIX =
  'Start Redis, and check host, port and password of REDIS_URL; without REDIS_URL the server needs none';
const URL_FIX = 'Check DNS, proxy and firewall, and that PUBLIC_URL is the address that clients use';

export const redisCheck = ({ redisUrl }: InspectedConfig): Promise<Check> =>
  check('redis.connection', REDIS_FIX, async () => {
    if (redisUrl === null)
      return skipped('REDIS_URL is not set: each instance counts concurrent requests alone');
    const { createClient } = await import('@redis/client');
    const client = createClient({
      url: redisUrl,
      disableClientInfo: true,
      socket: { connectTimeout: TIMEOUT_MS, reconnectStrategy: false },
    });
    // Without a listener the process would end. The failure reaches connect() too.
    client.on('error', () => undefined);
    try {
      await within(TIMEOUT_MS, client.connect());
      const info = String(await within(TIMEOUT_MS, client.sendCommand(['INFO', 'server'])));
      const version = /^(?:redis|valkey)_version:(\S+)/m.exec(info)?.[1] ?? 'of unknown version';
      return ok(`Redis ${version}`);
    } finally {
      if (client.isOpen) client.destroy();
    }
  });

export const publicUrlCheck = (config: InspectedConfig, database: Promise<ReachedDatabase>): Promise<Check> =>
  check('publicUrl.reachable', URL_FIX, async () => {
    const { publicUrl, production } = config;
    if (!publicUrl)
      return skipped('PUBLIC_URL is not set: clients use the address on which the server listens');
    const { status, instance, validUntil } = await getLive(`${publicUrl}/health/live`);
    if (status !== 200) return failed(`${publicUrl}/health/live answers ${status}`, URL_FIX);
    const problem = await instanceProblem(instance, database);
    if (problem) return failed(`${publicUrl} ${problem}`, URL_FIX);
    if (validUntil !== null) {
      const days = Math.floor((validUntil - performance.timeOrigin - performance.now()) / DAY_MS);
      if (days < MIN_CERTIFICATE_DAYS)
        return warning(`the certificate of ${publicUrl} ends in ${days} days`, 'Renew the certificate');
      return ok(`${publicUrl} is this server; its certificate is valid for ${days} days`);
    }
    if (production)
      return warning(
        `${publicUrl} is not encrypted`,
        'Use https, by a proxy in front of the server, for PUBLIC_URL',
      );
    return ok(`${publicUrl} is this server`);
  });

export const jwtCheck = ({ jwt }: InspectedConfig): Promise<Check> =>
  check('jwt.keys', 'Check JWT_JWKS_URL with your identity provider', async () => {
    if (!jwt) return skipped('JWT_ISSUER is not set: only keys of this server identify a tenant');
    const answer = await fetch(jwt.jwksUrl, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const where = `${jwt.jwksUrl.origin}${jwt.jwksUrl.pathname}`;
    const { keys } = (await answer.json()) as { keys?: unknown[] };
    return Array.isArray(keys) && keys.length > 0
      ? ok(`${where} has ${keys.length} keys`)
      : failed(`${where} has no keys`, 'It must be the JWKS document of the issuer');
  });

interface Live {
  status: number;
  instance: string | null;
  /** When the certificate ends, in milliseconds; null without TLS. */
  validUntil: number | null;
}

/** @throws if there is no answer in time, or the certificate is not valid */
function getLive(url: string): Promise<Live> {
  const request = url.startsWith('https:') ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const asked = request(
      url,
      { signal: AbortSignal.timeout(TIMEOUT_MS), agent: false },
      (answer: IncomingMessage) => {
        const { statusCode = 0, headers, socket } = answer;
        const certificate = (socket as Partial<TLSSocket>).getPeerCertificate?.();
        const instance = headers[INSTANCE_HEADER];
        answer.destroy();
        resolve({
          status: statusCode,
          instance: typeof instance === 'string' ? instance : null,
          validUntil: certificate?.valid_to ? Date.parse(certificate.valid_to) : null,
        });
      },
    );
    asked.on('error', (error: Error & { code?: string }) =>
      reject(new Error(`no answer from ${url}: ${error.code ?? ''} ${error.message}`)),
    );
    asked.end();
  });
}

/** @returns why it is not a server on this database; null if it is one, or that cannot be known */
async function instanceProblem(
  instance: string | null,
  database: Promise<ReachedDatabase>,
): Promise<string | null> {
  if (!instance) return 'answers, but it is not a server of this version of Continuum Billing';
  const { connection } = await database;
  if (!connection) return null;
  const known = await createModels(connection).serverInstances.exists({ _id: instance });
  return known ? null : 'is a server on another database';
}
