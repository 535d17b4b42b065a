import { type Concurrency, createConcurrency } from '@continuum-billing/limits/core';
import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import { type Authenticator, createAuthenticator } from '../accounts/authenticator.js';
import { createGuessLimit, type GuessLimit } from '../accounts/guessLimit.js';
import { createWorkQueue, KEY_HASHES, type WorkQueue } from '../accounts/workQueue.js';
import { createChanges } from '../infrastructure/changeStreams.js';
import { createRedis } from '../infrastructure/redis.js';
import { createEntitlements, type Entitlements } from '../tiers/entitlements.js';
import type { Tiers } from '../tiers/tiers.js';
import { createAdmission, type RunningAdmission } from './calls/createAdmission.js';
import { createSharedConcurrency } from './concurrency/redisConcurrency.js';
import { createMongoCallWindows } from './fieldLimits/callWindows.js';
import { createFieldLimitDecision } from './fieldLimits/fieldLimitDecision.js';
import { createFieldLimits, type FieldLimits } from './fieldLimits/fieldLimits.js';
import { createRedisCallWindows } from './fieldLimits/redisCallWindows.js';
import { createStorage, type Storage } from './storage/storage.js';
import { createTenantLimits, type TenantLimits } from './tenantLimits.js';

/** What is needed to decide operations, by this server and by a team's own that uses the library. */
export interface LimitServices {
  admission: RunningAdmission;
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
  /** Wraps admission, for alerts that each decision may raise. */
  watch: (admission: RunningAdmission) => RunningAdmission;
}

export function createLimitServices(deps: LimitServicesDeps): LimitServices {
  const { models, clock, log, tiers, graceDays, adminApiKeys, redisUrl, upgradeUrl, watch } = deps;
  const base = { models, clock, log };
  const entitlements = createEntitlements({ ...base, tiers, graceDays });
  const guesses = createGuessLimit(base);
  const keyHashes = createWorkQueue(KEY_HASHES);
  const authenticator = createAuthenticator({ ...base, adminApiKeys, guesses, keyHashes });
  const admission = watch(createAdmission(base));
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
      sharedConcurrency?.stop();
      await redis?.stop();
    },
  };
}
