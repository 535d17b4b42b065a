import { type Concurrency, createConcurrency } from '@continuum-billing/limits/core';
import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import type { Authenticator } from '../accounts/authenticator.js';
import type { TenantDirectory } from '../accounts/tenantDirectory.js';
import { type Changes, createChanges } from '../infrastructure/changeStreams.js';
import type { Metrics } from '../infrastructure/metrics.js';
import { createRedis, type Redis } from '../infrastructure/redis.js';
import type { TierServices } from '../tiers/tierServices.js';
import { type Activity, countActivity, createActivity } from './activity/activity.js';
import { createUsageRanks, type UsageRanks } from './activity/usageRanks.js';
import { type CallerSlots, createCallerSlots } from './callerSlots.js';
import { createRedisConcurrency } from './concurrency/redisConcurrency.js';
import { createDecisionMeter, type DecisionMeter } from './decisionMeter.js';
import { createMongoCallWindows } from './fieldLimits/callWindows.js';
import { createFieldLimitDecision } from './fieldLimits/fieldLimitDecision.js';
import { createFieldLimits, type FieldLimits } from './fieldLimits/fieldLimits.js';
import { createRedisCallWindows } from './fieldLimits/redisCallWindows.js';
import { createAdmission, type RunningAdmission } from './ledger/createAdmission.js';
import { createEndpointNames, type EndpointNames } from './ledger/endpointNames.js';
import { createUsageDays, type UsageDays } from './ledger/usageDays.js';
import { measureDecisions } from './measuredLimits.js';
import { createStorage, type Storage } from './storage/storage.js';
import { createTenantLimits, type TenantLimits } from './tenantLimits.js';

/** Decides operations, in this server and in a team's own server on the same database (`directLimits`). */
export interface LimitServices {
  activity: Activity;
  admission: RunningAdmission;
  callerSlots: CallerSlots;
  changes: Pick<Changes, 'listen'>;
  concurrency: Concurrency;
  decisionMeter: DecisionMeter;
  endpointNames: EndpointNames;
  limits: TenantLimits;
  /** null: Redis is not configured. */
  redis: Redis | null;
  storage: Storage;
  usageDays: UsageDays;
  usageRanks: UsageRanks;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface LimitServicesDeps {
  models: Models;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  authenticator: Authenticator;
  tenantDirectory: TenantDirectory;
  tierServices: TierServices;
  /** null: field limits are counted in MongoDB, and concurrent requests by each instance alone. */
  redisUrl: string | null;
  upgradeUrl: () => string;
  /** Wraps admission, so that each decision can raise alerts. */
  watch: (admission: RunningAdmission) => RunningAdmission;
}

const SWEEP_MS = 30_000;

export function createLimitServices(deps: LimitServicesDeps): LimitServices {
  const { models, clock, log, metrics, authenticator, tenantDirectory, redisUrl, upgradeUrl, watch } = deps;
  const { tiers, entitlements, serverInstances } = deps.tierServices;
  const base = { models, clock, log };
  const decided = createAdmission({ ...base, metrics, instances: serverInstances });
  const usageDays = createUsageDays(base);
  const usageRanks = createUsageRanks({ ...base, usageDays });
  const activity = createActivity({ ...base, instance: decided.instance, usageRanks });
  const decisionMeter = createDecisionMeter({ metrics, activity });
  const admission = watch(countActivity(decided, activity));
  const storage = createStorage({ ...base, resources: tiers.catalogue.resources });
  const redis = redisUrl === null ? null : createRedis({ url: redisUrl, log });
  const redisConcurrency = redis && createRedisConcurrency({ redis });
  const concurrency: Concurrency = redisConcurrency ?? createConcurrency();
  const mongoWindows = createMongoCallWindows(base);
  const windows = redis ? createRedisCallWindows({ redis, fallback: mongoWindows }) : mongoWindows;
  const fieldLimits: FieldLimits = createFieldLimits({ windows });
  const changes = createChanges(base);
  changes.listen({
    keyChanged: authenticator.forget,
    tenantChanged(tenantId) {
      tenantDirectory.forget(tenantId);
      entitlements.forget(tenantId);
    },
    anythingMayHaveChanged() {
      authenticator.forgetAll();
      tenantDirectory.forgetAll();
      entitlements.forgetAll();
    },
  });
  const tenantLimits = createTenantLimits({
    admission,
    concurrency,
    storage,
    entitlements,
    fieldLimits: createFieldLimitDecision({ fieldLimits, clock }),
    clock,
    upgradeUrl,
  });
  let sweeping: NodeJS.Timeout | undefined;
  return {
    activity,
    admission,
    concurrency,
    decisionMeter,
    changes,
    callerSlots: createCallerSlots({ ...base, entitlements, upgradeUrl }),
    endpointNames: createEndpointNames({ usageDays }),
    limits: measureDecisions(tenantLimits, decisionMeter),
    redis,
    storage,
    usageDays,
    usageRanks,
    async start() {
      changes.start();
      await redis?.start();
      await admission.start();
      activity.start();
      sweeping = setInterval(() => {
        storage.sweep().catch((error: unknown) => log.warn({ err: error }, 'storage.sweep_failed'));
      }, SWEEP_MS).unref();
    },
    async stop() {
      clearInterval(sweeping);
      await changes.stop();
      await admission.stop();
      await activity.stop();
      redisConcurrency?.stop();
      await redis?.stop();
    },
  };
}
