import type { Logger } from 'pino';
import type { Clock } from '../../clock.js';
import type { Models } from '../../models/models.js';
import { createMongoCallWindows } from '../admission/callWindows.js';
import { type Concurrency, createConcurrency } from '../admission/concurrency.js';
import { createAdmission, type RunningAdmission } from '../admission/createAdmission.js';
import { createFieldLimits, type FieldLimits } from '../admission/fieldLimits.js';
import { createRedisCallWindows } from '../admission/redisCallWindows.js';
import { createSharedConcurrency } from '../admission/sharedConcurrency.js';
import { type Alerts, createAlerts } from '../alerts/alerts.js';
import { watchAdmission } from '../alerts/watchedAdmission.js';
import { createChanges } from '../changes.js';
import { type Authenticator, createAuthenticator } from '../identity/authenticator.js';
import { createGuessLimit, type GuessLimit } from '../identity/guessLimit.js';
import { createWorkQueue, KEY_HASHES, type WorkQueue } from '../identity/workQueue.js';
import { createRedis } from '../redis.js';
import { createStorage, type Storage } from '../storage/storage.js';
import { createEntitlements, type Entitlements } from '../tiers/entitlements.js';
import type { Tiers } from '../tiers/tiers.js';
import { createFieldLimitDecision } from './fieldLimitDecision.js';
import { createTenantLimits, type TenantLimits } from './tenantLimits.js';

/** What is needed to decide operations, by this server and by a team's own that uses the library. */
export interface LimitServices {
  admission: RunningAdmission;
  alerts: Alerts;
  authenticator: Authenticator;
  concurrency: Concurrency;
  entitlements: Entitlements;
  fieldLimits: FieldLimits;
  guesses: GuessLimit;
  keyHashes: WorkQueue;
  limits: TenantLimits;
  storage: Storage;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface LimitServicesDeps {
  models: Models;
  clock: Clock;
  log: Logger;
  tiers: Tiers;
  graceDays: number;
  adminApiKeys: readonly string[];
  redisUrl: string | null;
  upgradeUrl: () => string;
}

export function createLimitServices(deps: LimitServicesDeps): LimitServices {
  const { models, clock, log, tiers, graceDays, adminApiKeys, redisUrl, upgradeUrl } = deps;
  const base = { models, clock, log };
  const entitlements = createEntitlements({ ...base, tiers, graceDays });
  const guesses = createGuessLimit(base);
  const keyHashes = createWorkQueue(KEY_HASHES);
  const authenticator = createAuthenticator({ ...base, adminApiKeys, guesses, keyHashes });
  const alerts = createAlerts(base);
  const admission = watchAdmission(createAdmission(base), alerts);
  const storage = createStorage({ ...base, resources: tiers.catalogue.resources });
  const redis = redisUrl === null ? null : createRedis({ url: redisUrl, log });
  const sharedConcurrency = redis && createSharedConcurrency({ redis });
  const concurrency = sharedConcurrency ?? createConcurrency();
  const mongoWindows = createMongoCallWindows(base);
  const windows = redis ? createRedisCallWindows({ redis, fallback: mongoWindows }) : mongoWindows;
  const fieldLimits = createFieldLimits({ windows });
  const changes = createChanges({
    ...base,
    listeners: {
      keyChanged: authenticator.forget,
      tenantChanged: entitlements.forget,
      anythingMayHaveChanged() {
        authenticator.forgetAll();
        entitlements.forgetAll();
      },
    },
  });
  const parts = { admission, concurrency, entitlements, fieldLimits, storage };
  return {
    ...parts,
    alerts,
    authenticator,
    guesses,
    keyHashes,
    limits: createTenantLimits({
      ...parts,
      fieldLimits: createFieldLimitDecision({ fieldLimits, clock }),
      clock,
      upgradeUrl,
    }),
    async start() {
      changes.start();
      await redis?.start();
      await admission.start();
    },
    async stop() {
      await changes.stop();
      await admission.stop();
      await alerts.idle();
      sharedConcurrency?.stop();
      await redis?.stop();
    },
  };
}
