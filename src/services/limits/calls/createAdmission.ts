import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Charge, createGroupCommit, sumOf } from '@continuum-billing/limits/core';
import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import { BillingError, serviceUnavailable } from '../../../common/errors.js';
import type { Models } from '../../../models/models.js';
import type { UsageDayDoc } from '../../../models/usageDay.js';
import type { Metrics } from '../../infrastructure/metrics.js';
import { createTurns } from '../../infrastructure/turns.js';
import type { ServerInstances } from '../../tiers/serverInstances.js';
import { type Admission, type Decision, type WindowUse } from './admission.js';
import { createJournal } from './journal.js';
import type { WaitingItem } from './ledger.js';
import { createMembership } from './membership.js';
import { createMultiWriterLedger } from './multiWriterLedger.js';
import { createOverageDays } from './overageDays.js';
import { createReturnedCalls } from './returnedCalls.js';
import { createSingleWriterLedger, type SingleWriterLedger } from './singleWriterLedger.js';
import { createTakeover } from './takeover.js';
import { useOf, viewOf } from './usageView.js';
import { dayOf, usageDayId } from './windows.js';

/** Admission that chooses its ledger: multi-writer until it is started, single-writer while no other server runs. */
export interface RunningAdmission extends Admission {
  /** The id of this server in `server_instances`. */
  readonly instance: string;
  /** Whether this server is the single writer now. */
  isSingleWriter(): boolean;
  /** For how long decided calls have not been written to the documents of their days; about a second while all is well. */
  journalLagMs(): number;
  /** Settles what other servers left, then becomes the single writer whenever no other server runs. */
  start(): Promise<void>;
  /** Finishes decisions in progress, and leaves nothing for other servers to settle. */
  stop(): Promise<void>;
}

const MAX_WAITING = 10_000;
const BEAT_MS = 1_000;
/** Days that leave memory in one beat, and while no batch is committed. */
const MAX_RELEASED = 5_000;
const RELEASED_AT_ONCE = 250;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;
/** Tries to return calls: enough for an outage of about ten minutes. */
const MAX_TRIES = 120;

export function createAdmission(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  instances?: ServerInstances;
}): RunningAdmission {
  const { models, clock, log, metrics, instances } = deps;
  const instance = `i${randomUUID().replaceAll('-', '').slice(0, 12)}`;
  const journal = createJournal({ ...deps, instance });
  const takeover = createTakeover({ models, journal, log });
  const membership = createMembership({ models, instance, presence: instances?.presence });
  const returnedCalls = createReturnedCalls({ models, log, instance });
  const overageDays = createOverageDays({ models, takeover });
  const multiWriter = createMultiWriterLedger({ ...deps, instance, takeover, returnedCalls, overageDays });
  const queue = createGroupCommit<WaitingItem>(commit, MAX_WAITING);
  let singleWriter: SingleWriterLedger | null = null;
  let unsettled: number | null = null;
  let settledAtMs = performance.now();
  /** Batches and changes of ledger run one at a time. */
  const turns = createTurns();
  const exclusively = <T>(work: () => Promise<T>) => turns.run(['ledger'], work);
  let timer: NodeJS.Timeout | undefined;
  let beating: Promise<void> | null = null;
  let stopping = false;

  async function commit(batch: WaitingItem[]): Promise<void> {
    const startedAtMs = performance.now();
    try {
      await exclusively(async () => {
        const rest = singleWriter ? await singleWriter.commit(batch) : batch;
        if (singleWriter?.isFenced()) await stopBeingSingleWriter(singleWriter);
        if (rest.length > 0) await multiWriter.commit(rest);
      });
      if (batch.length > 0) metrics.batchCommitted('calls', batch.length, startedAtMs);
    } catch (error) {
      log.error({ err: error }, 'admission.batch_failed');
      const away = serviceUnavailable('The database does not answer; try again shortly');
      // Items answered before the failure stay answered. Queued items would only wait as long for the same failure.
      for (const item of [...batch, ...queue.drain()]) {
        item.reject(error instanceof BillingError ? error : away);
      }
    }
  }

  async function becomeSingleWriter(): Promise<void> {
    const generation = await membership.nextGeneration();
    // Published before it begins, so that a server that finds this one dead knows what to settle.
    await membership.beat(generation);
    if (!(await journal.append(generation, 0, []))) return;
    singleWriter = createSingleWriterLedger({ ...deps, journal, takeover, overageDays, generation });
    log.debug({ generation }, 'admission.single_writer');
  }

  async function stopBeingSingleWriter(ledger: SingleWriterLedger): Promise<void> {
    singleWriter = null;
    unsettled = ledger.generation;
    await settleGeneration();
    log.debug({ generation: ledger.generation }, 'admission.multi_writer');
  }

  /** The old generation stays published until it is settled, so that another server settles it if this one dies. */
  async function settleGeneration(): Promise<void> {
    if (unsettled === null) return;
    await takeover(unsettled);
    unsettled = null;
    await membership.beat(null);
  }

  async function beat(): Promise<void> {
    await membership.beat(singleWriter?.generation ?? unsettled);
    await settleGeneration();
    const others = await membership.others();
    instances?.compare(instance, others);
    for (const { alive, generation, instance: other } of others) {
      if (alive) continue;
      if (generation !== null) await takeover(generation);
      await membership.remove(other);
    }
    const alone = !others.some(({ alive }) => alive);
    if (alone && !singleWriter)
      await exclusively(async () => (singleWriter ? undefined : becomeSingleWriter()));
    if (!alone && singleWriter)
      await exclusively(async () => (singleWriter ? stopBeingSingleWriter(singleWriter) : undefined));
    // Retries a batch whose answer was lost, without waiting for the next call.
    if (singleWriter) await commit([]);
    await singleWriter?.settleAll();
    settledAtMs = performance.now();
    await releaseIdleDays();
  }

  /** A few at a time, so that no batch waits long, and some in each beat, so that no beat is late. */
  async function releaseIdleDays(): Promise<void> {
    const ledger = singleWriter;
    const idle = ledger?.idleDays().slice(0, MAX_RELEASED) ?? [];
    for (let i = 0; i < idle.length; i += RELEASED_AT_ONCE) {
      const ids = idle.slice(i, i + RELEASED_AT_ONCE);
      await exclusively(async () => (singleWriter === ledger ? ledger?.releaseIdle(ids) : undefined));
    }
  }

  /** Operations fail mostly while the database is away, so this retries for about ten minutes. It rejects if the calls could not be returned. */
  async function returnCalls(
    tenantId: string,
    charges: readonly Charge[],
    used: Pick<WindowUse, 'atMs'>,
  ): Promise<void> {
    for (let tries = 1, waitMs = FIRST_RETRY_MS; ; tries++, waitMs = Math.min(waitMs * 2, MAX_RETRY_MS)) {
      try {
        await new Promise<void>((resolve, reject) => {
          queue.submit({ kind: 'return', tenantId, charges, used, resolve, reject });
        });
        return;
      } catch (error) {
        if (tries === MAX_TRIES || stopping) throw error;
        await sleep(waitMs, undefined, { ref: false });
      }
    }
  }

  function beatOnce(): void {
    beating ??= beat()
      .catch((error: unknown) => log.warn({ err: error }, 'admission.heartbeat_failed'))
      .finally(() => {
        beating = null;
      });
  }

  return {
    instance,
    isSingleWriter: () => singleWriter !== null,
    journalLagMs: () => performance.now() - settledAtMs,
    admit(tenantId, limits, charges) {
      return new Promise<Decision>((resolve, reject) => {
        queue.submit({ kind: 'call', tenantId, limits, charges, calls: sumOf(charges), resolve, reject });
      });
    },
    async look(tenantId) {
      const known = (singleWriter ?? multiWriter).peek(tenantId);
      if (known) return known;
      const nowMs = clock.now();
      const day = await models.usageDays.findById(usageDayId(tenantId, dayOf(nowMs))).lean<UsageDayDoc>();
      return useOf(viewOf(day ?? undefined, nowMs), nowMs);
    },
    returnCalls,
    recorded: (ids) => (singleWriter ?? multiWriter).recorded(ids),
    settle: (ids) => (singleWriter ?? multiWriter).settle(ids),
    async start() {
      await membership.beat(null);
      // Running servers are fenced too: they find the fence, and are multi-writers from then on.
      for (const { generation } of await membership.others())
        if (generation !== null) await takeover(generation);
      await beat();
      timer = setInterval(beatOnce, BEAT_MS).unref();
    },
    async stop() {
      stopping = true;
      clearInterval(timer);
      await beating;
      await queue.idle();
      await returnedCalls.idle();
      if (singleWriter)
        await exclusively(async () => (singleWriter ? stopBeingSingleWriter(singleWriter) : undefined));
      await membership.remove(instance);
    },
  };
}
