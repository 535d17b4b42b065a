import { mongo } from 'mongoose';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AuditEntryDoc } from '../../src/models/auditLog.js';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { type AuditLog, type Change, createAuditLog } from '../../src/services/audit/auditLog.js';
import { type AuditRetention, createAuditRetention } from '../../src/services/audit/auditRetention.js';
import {
  type AuditVerification,
  createAuditVerification,
} from '../../src/services/audit/auditVerification.js';
import { createLease } from '../../src/services/infrastructure/lease.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';
import { createRandom, seedOfRun } from '../support/random.js';

const AUTHOR = { actor: 'key:k1', requestId: 'req-1' };
const clock = createFakeClock(new Date('2026-03-01T12:00:00Z'));

let database: TestDatabase;
let models: Models;
let auditLog: AuditLog;
let verification: AuditVerification;
let names = 0;

beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
  auditLog = createAuditLog({ models, clock });
  verification = createAuditVerification(models);
});
afterAll(() => database?.dropAndClose());

const newTenant = () => `ten_${++names}`;

const change = (tenantId: string | null, after: Change['after'], rest: Partial<Change> = {}): Change => ({
  tenantId,
  action: 'thing.changed',
  before: null,
  after,
  ...rest,
});

const write = (...changes: Change[]) =>
  auditLog.change(AUTHOR, async (_session, note) => {
    for (const one of changes) note(one);
  });

const entriesOf = (tenantId: string) =>
  models.auditEntries.find({ chain: tenantId }).sort({ _id: 1 }).lean<AuditEntryDoc[]>();

const problemsOf = async (tenantId: string) =>
  (await verification.verify(tenantId)).problems.map(({ entry, problem }) => `${entry} ${problem}`);

/** A chain of five entries, with a personal value in each. */
async function chainOfFive(): Promise<string> {
  const tenantId = newTenant();
  const numbered = (n: number) =>
    change(tenantId, { n, name: `Ada ${n}` }, { before: { n: n - 1 }, personal: ['name'] });
  await write(...[1, 2, 3, 4, 5].map(numbered));
  expect(await problemsOf(tenantId)).toEqual([]);
  return tenantId;
}
const third = (tenantId: string) => `${tenantId}:000000000003`;

describe('a chain', () => {
  it('holds who changed what, from what to what, when and in which request', async () => {
    const tenantId = newTenant();
    await write(
      change(tenantId, { scopes: ['READ'], at: new Date(clock.now()) }, { before: { scopes: [] } }),
    );
    expect(await entriesOf(tenantId)).toMatchObject([
      {
        _id: `${tenantId}:000000000001`,
        at: new Date(clock.now()),
        actor: 'key:k1',
        action: 'thing.changed',
        before: '{"scopes":[]}',
        after: `{"scopes":["READ"],"at":"${new Date(clock.now()).toISOString()}"}`,
        requestId: 'req-1',
      },
    ]);
    expect(await problemsOf(tenantId)).toEqual([]);
  });

  it('says nothing of a change that changed nothing', async () => {
    const tenantId = newTenant();
    await write(change(tenantId, { tier: 'PRO' }, { before: { tier: 'PRO' } }));
    expect(await entriesOf(tenantId)).toEqual([]);
  });

  it('loses nothing and forks nowhere when 25 changes are made at once', async () => {
    const tenantId = newTenant();
    await Promise.all(
      Array.from({ length: 25 }, (_, n) => write(change(tenantId, { n }), change(null, { n }))),
    );
    const written = await entriesOf(tenantId);
    const numbers = written.map(({ after }) => JSON.parse(after as string).n);
    expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 25 }, (_, n) => n));
    expect(await problemsOf(tenantId)).toEqual([]);
    expect(await verification.verify('operators')).toMatchObject({ problems: [], sequence: 25 });
  });

  it('never goes back in time, even if the clock of another server does', async () => {
    const tenantId = newTenant();
    await write(change(tenantId, { n: 1 }));
    clock.advance(-5_000);
    await write(change(tenantId, { n: 2 }));
    clock.advance(5_000);
    const [first, second] = await entriesOf(tenantId);
    expect(second?.at).toEqual(first?.at);
  });

  it('has no entry of a change that failed, and no change without its entry', async () => {
    const tenantId = newTenant();
    const things = models.connection.collection<{ _id: string }>('things');
    const changing = (fail: boolean) =>
      auditLog.change(AUTHOR, async (session, note) => {
        await things.insertOne({ _id: `${tenantId} ${fail}` }, { session });
        note(change(tenantId, { fail }));
        if (fail) throw new Error('it failed');
      });
    await expect(changing(true)).rejects.toThrow('it failed');
    await changing(false);
    expect(await things.find({ _id: { $regex: tenantId } }).toArray()).toEqual([
      { _id: `${tenantId} false` },
    ]);
    expect(await entriesOf(tenantId)).toMatchObject([{ after: '{"fail":false}' }]);
  });

  it('gets each change once when its transaction has to start again', async () => {
    const tenantId = newTenant();
    let runs = 0;
    const result = await auditLog.change(AUTHOR, async (session, note) => {
      runs += 1;
      // The transaction reads before the other one commits, so it conflicts with it.
      await models.auditChains.findById(tenantId, null, { session });
      if (runs === 1) await write(change(tenantId, { by: 'another' }));
      note(change(tenantId, { by: `run ${runs}` }));
      return runs;
    });
    expect(result).toBe(2);
    expect((await entriesOf(tenantId)).map(({ after }) => after)).toEqual([
      '{"by":"another"}',
      '{"by":"run 2"}',
    ]);
  });

  it('whose changes conflict delays no change of another chain', async () => {
    const [slow, quick] = [newTenant(), newTenant()];
    /** Its first run conflicts, and its second waits for what is given. */
    const conflicting = (tenantId: string, second: () => unknown) => {
      let runs = 0;
      return auditLog.change(AUTHOR, async (session, note) => {
        runs += 1;
        await models.auditChains.findById(tenantId, null, { session });
        if (runs === 1) await write(change(tenantId, { by: 'another' }));
        if (runs === 2) await second();
        note(change(tenantId, { runs }));
      });
    };
    const order: string[] = [];
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const first = await new Promise<{ ended: Promise<unknown> }>((resolve) => {
      const ended = conflicting(slow, () => {
        resolve({ ended: ended.then(() => order.push('first')) });
        return gate;
      });
    });
    const next = conflicting(slow, () => order.push('next'));
    await conflicting(quick, () => order.push('other'));
    open();
    await Promise.all([first.ended, next]);
    expect(order).toEqual(['other', 'first', 'next']);
    expect([await problemsOf(slow), await problemsOf(quick)]).toEqual([[], []]);
  });

  it.each([
    ['whose answer was lost', mongo.MongoErrorLabel.UnknownTransactionCommitResult, 1],
    ['that did not happen', mongo.MongoErrorLabel.TransientTransactionError, 2],
  ] as const)('gets a change once after a commit %s', async (_, label, expectedRuns) => {
    const tenantId = newTenant();
    const { commitTransaction, abortTransaction } = mongo.ClientSession.prototype;
    const lost = new mongo.MongoNetworkError('the connection was lost');
    lost.addErrorLabel(label);
    const isCommitted = label === mongo.MongoErrorLabel.UnknownTransactionCommitResult;
    const commit = vi.spyOn(mongo.ClientSession.prototype, 'commitTransaction');
    commit.mockImplementationOnce(async function fail(this: mongo.ClientSession) {
      await (isCommitted ? commitTransaction : abortTransaction).call(this);
      throw lost;
    });
    let runs = 0;
    await auditLog.change(AUTHOR, async (_session, note) => {
      runs += 1;
      note(change(tenantId, { runs }));
    });
    expect([runs, commit.mock.calls.length]).toEqual([expectedRuns, 2]);
    commit.mockRestore();
    expect(await entriesOf(tenantId)).toMatchObject([{ after: `{"runs":${expectedRuns}}` }]);
    expect(await problemsOf(tenantId)).toEqual([]);
  });

  it('bounds what an entry stores', async () => {
    const tenantId = newTenant();
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`f${n}`, 'x'.repeat(900)]));
    await write(change(tenantId, { text: 'y'.repeat(5_000) }), change(tenantId, many, { personal: ['f1'] }));
    const [cut, replaced] = await entriesOf(tenantId);
    expect(JSON.parse(cut?.after as string).text).toBe(`${'y'.repeat(1_000)}…`);
    expect(JSON.parse(replaced?.after as string)).toEqual({
      tooLarge: true,
      bytes: expect.any(Number),
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(await problemsOf(tenantId)).toEqual([]);
  });
});

describe('personal values', () => {
  it('are not in the entry, and can be erased without breaking the chain', async () => {
    const tenantId = newTenant();
    const named = (name: string) => ({ name, tier: 'PRO' });
    await write(change(tenantId, named('Ada'), { personal: ['name'] }));
    await write(change(tenantId, named('Ada L.'), { before: named('Ada'), personal: ['name'] }));
    const stored = JSON.stringify(await entriesOf(tenantId));
    expect(stored).not.toContain('Ada');
    // The same name has another digest each time, so that a reader cannot compare them.
    const digests = stored.match(/[0-9a-f]{64}(?=\\"\})/g);
    expect(new Set(digests).size).toBe(3);
    expect(await models.auditPersonalValues.countDocuments({ _id: { $regex: `^${tenantId}:` } })).toBe(2);

    await auditLog.erasePersonalValues(tenantId);
    expect(await models.auditPersonalValues.countDocuments({ _id: { $regex: `^${tenantId}:` } })).toBe(0);
    expect(await problemsOf(tenantId)).toEqual([]);
  });

  it('that are erased leave those of another tenant, even one whose id begins the same', async () => {
    const tenantId = newTenant();
    const other = `${tenantId}0`;
    await write(change(other, { name: 'Bob' }, { personal: ['name'] }));
    await auditLog.erasePersonalValues(tenantId);
    expect(await models.auditPersonalValues.countDocuments({ _id: { $regex: `^${other}:` } })).toBe(1);
  });
});

describe('verification', () => {
  const edit = (tenantId: string, $set: object) =>
    models.auditEntries.collection.updateOne({ _id: third(tenantId) as never }, { $set });

  const OTHER = {
    chain: 'ten_other',
    at: new Date(0),
    actor: 'key:k2',
    action: 'thing.kept',
    before: '{"n":7}',
    after: null,
    requestId: null,
    hash: 'f'.repeat(64),
  } satisfies Omit<AuditEntryDoc, '_id'>;

  it.each(Object.entries(OTHER))('finds the entry whose %s was changed', async (field, value) => {
    const tenantId = await chainOfFive();
    await edit(tenantId, { [field]: value });
    expect(await problemsOf(tenantId)).toContain(`${third(tenantId)} changed: its hash does not match`);
    await models.auditEntries.deleteMany({ chain: 'ten_other' });
  });

  it('finds a personal value that was changed', async () => {
    const tenantId = await chainOfFive();
    await models.auditPersonalValues.collection.updateOne(
      { _id: third(tenantId) as never },
      { $set: { 'values.0.value': '"Eve"' } },
    );
    expect(await problemsOf(tenantId)).toEqual([
      `${third(tenantId)} changed: the personal value of after.name`,
    ]);
  });

  it('finds an entry that was removed', async () => {
    const tenantId = await chainOfFive();
    await models.auditEntries.deleteOne({ _id: third(tenantId) });
    expect(await problemsOf(tenantId)).toEqual([
      `${third(tenantId)} missing, and all up to the one before ${tenantId}:000000000004`,
    ]);
  });

  it('finds two entries that were exchanged', async () => {
    const tenantId = await chainOfFive();
    const [second, three] = (await entriesOf(tenantId)).slice(1) as [AuditEntryDoc, AuditEntryDoc];
    for (const [id, { _id, ...content }] of [
      [second._id, three],
      [three._id, second],
    ] as const)
      await models.auditEntries.collection.replaceOne({ _id: id as never }, content);
    expect((await problemsOf(tenantId)).slice(0, 2)).toEqual([
      `${second._id} changed: its hash does not match`,
      `${three._id} changed: its hash does not match`,
    ]);
  });

  it('finds that the last entries were removed', async () => {
    const tenantId = await chainOfFive();
    await models.auditEntries.deleteMany({ chain: tenantId, _id: { $gt: third(tenantId) } });
    expect(await problemsOf(tenantId)).toEqual([
      `${tenantId}:000000000004 missing, and all up to ${tenantId}:000000000005`,
    ]);
  });

  it('finds that the end of a chain was moved or removed', async () => {
    const tenantId = await chainOfFive();
    const [, , three] = await entriesOf(tenantId);
    await models.auditChains.updateOne({ _id: tenantId }, { sequence: 3, hash: three?.hash });
    expect(await problemsOf(tenantId)).toEqual([
      `${tenantId}:000000000005 after the end of the chain, which was changed`,
    ]);
    await models.auditChains.deleteOne({ _id: tenantId });
    expect(await problemsOf(tenantId)).toEqual([`${tenantId} the end of the chain was removed`]);
    const chains: string[] = [];
    for await (const chain of verification.chains()) chains.push(chain);
    expect(chains).toContain(tenantId);
    expect(chains).toContain('operators');
    expect(chains).toEqual([...new Set(chains)].toSorted());
  });

  it('finds by an end that was kept that both the entries and the end were cut', async () => {
    const tenantId = await chainOfFive();
    const { sequence, hash } = await verification.verify(tenantId);
    const kept = { chain: tenantId, sequence, hash };
    expect(await verification.compare(kept)).toBeNull();
    await write(change(tenantId, { n: 6 }));
    expect(await verification.compare(kept)).toBeNull();

    const [, , three] = await entriesOf(tenantId);
    await models.auditEntries.deleteMany({ chain: tenantId, _id: { $gt: third(tenantId) } });
    await models.auditChains.updateOne({ _id: tenantId }, { sequence: 3, hash: three?.hash });
    expect(await problemsOf(tenantId)).toEqual([]);
    expect(await verification.compare(kept)).toBe('it ended at 5, and now ends at 3');
    await auditLog.erasePersonalValues(tenantId);
    for (const n of [4, 5]) await write(change(tenantId, { n, forged: true }));
    expect(await problemsOf(tenantId)).toEqual([]);
    expect(await verification.compare(kept)).toBe('its entry 5 has another hash than before');
  });

  it('finds any single change of any stored value', async () => {
    const random = createRandom(seedOfRun());
    const tenantId = await chainOfFive();
    const entries = await entriesOf(tenantId);
    for (let round = 0; round < 20; round++) {
      const entry = random.pick(entries);
      const field = random.pick(['at', 'actor', 'action', 'before', 'after', 'requestId', 'hash'] as const);
      const value = entry[field];
      const changed =
        value instanceof Date
          ? new Date(value.getTime() + random.pick([-1, 1]))
          : altered(value as string, random.between(0, (value as string).length - 1));
      await models.auditEntries.collection.updateOne(
        { _id: entry._id as never },
        { $set: { [field]: changed } },
      );
      const problems = await problemsOf(tenantId);
      expect(problems[0], `seed ${random.seed}: ${entry._id} ${field}`).toMatch(entry._id);
      await models.auditEntries.collection.replaceOne({ _id: entry._id as never }, entry as mongo.Document);
    }
    expect(await problemsOf(tenantId)).toEqual([]);
  });
});

describe('retention', () => {
  const DAY_MS = 86_400_000;
  const withDays = (days: number | null) =>
    createAuditRetention({
      models,
      clock,
      log: pino({ level: 'silent' }),
      lease: createLease({ models, name: 'audit retention', ttlMs: 60_000 }),
      retentionDays: days,
    });

  let retention: AuditRetention;
  beforeAll(() => {
    retention = withDays(30);
  });

  it('deletes old entries with their personal values, and what is left can be verified', async () => {
    const tenantId = newTenant();
    const whole = newTenant();
    const named = (n: number) => change(tenantId, { n, name: `Ada ${n}` }, { personal: ['name'] });
    await write(named(1), named(2), change(whole, { n: 1 }));
    const kept = await verification.verify(tenantId);
    clock.advance(40 * DAY_MS);
    await write(named(3));
    expect(await withDays(null).run()).toBe(0);
    expect(await retention.run()).toBeGreaterThanOrEqual(3);

    expect((await entriesOf(tenantId)).map(({ _id }) => _id)).toEqual([third(tenantId)]);
    expect(await models.auditPersonalValues.countDocuments({ _id: { $regex: `^${tenantId}:` } })).toBe(1);
    expect(await verification.verify(tenantId)).toMatchObject({ problems: [], verified: 1, sequence: 3 });
    expect(await verification.compare(kept)).toBeNull();
    expect(await verification.verify(whole)).toMatchObject({ problems: [], verified: 0, sequence: 1 });
    // Nothing is found again until there is something to delete.
    expect(await retention.run()).toBe(0);

    await write(change(whole, { n: 2 }));
    expect(await problemsOf(whole)).toEqual([]);
    clock.advance(40 * DAY_MS);
    await retention.run();
    expect(await entriesOf(whole)).toEqual([]);
    expect(await problemsOf(whole)).toEqual([]);
    await write(change(whole, { n: 3 }));
    expect(await entriesOf(whole)).toMatchObject([{ _id: third(whole) }]);
  });

  it('that died after its checkpoint is finished by the next pass, and the chain is intact meanwhile', async () => {
    const tenantId = await chainOfFive();
    const [, , three] = await entriesOf(tenantId);
    const checkpoint = { sequence: 3, hash: three?.hash };
    await models.auditChains.updateOne({ _id: tenantId }, { checkpoint });
    expect(await problemsOf(tenantId)).toEqual([]);
    await models.auditEntries.deleteOne({ _id: `${tenantId}:000000000001` });
    expect(await problemsOf(tenantId)).toEqual([]);
    clock.advance(40 * DAY_MS);
    await retention.run();
    expect(await entriesOf(tenantId)).toEqual([]);
    expect(await verification.verify(tenantId)).toMatchObject({ problems: [], sequence: 5 });
  });

  it('cannot be forged to hide an entry that is younger than the checkpoint says', async () => {
    const tenantId = await chainOfFive();
    const [, , three] = await entriesOf(tenantId);
    await models.auditChains.updateOne({ _id: tenantId }, { checkpoint: { sequence: 4, hash: three?.hash } });
    expect(await problemsOf(tenantId)).toEqual([`${tenantId}:000000000005 changed: its hash does not match`]);
  });
});

function altered(text: string, at: number): string {
  const other = text[at] === '0' ? '1' : '0';
  return text.slice(0, at) + other + text.slice(at + 1);
}
