import type { AuditEntryDoc, AuditPersonalValuesDoc } from '../../models/auditLog.js';
import type { Models } from '../../models/models.js';
import { chainOf, idsOfChain } from './auditChain.js';
import { openFields } from './auditedFields.js';

/** An entry as readers see it: with the personal values that still exist. */
export interface AuditedChange {
  id: string;
  at: Date;
  actor: string;
  action: string;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
  requestId: string | null;
}

/** Which entries of a chain: a range of times, without `to`. */
export interface AuditRange {
  from?: Date | null | undefined;
  to?: Date | null | undefined;
  /** Only this action. */
  action?: string | null | undefined;
}

export interface AuditQuery extends AuditRange {
  first: number;
  /** The id of the last entry seen. */
  after?: string | null | undefined;
}

/** Reads a chain. @param tenantId null: the operators' chain (here and below) */
export interface AuditReader {
  /** Newest first. */
  page(
    tenantId: string | null,
    query: AuditQuery,
  ): Promise<{ entries: AuditedChange[]; hasNextPage: boolean }>;
  /** Oldest first, page by page, so that it takes little memory. */
  pages(tenantId: string | null, range: AuditRange): AsyncIterable<AuditedChange[]>;
}

const PAGE = 100;

export function createAuditReader({ models }: { models: Models }): AuditReader {
  const collection = <T extends { _id: string }>(name: string) => models.connection.collection<T>(name);
  const entries = collection<AuditEntryDoc>(models.auditEntries.collection.name);
  const personalValues = collection<AuditPersonalValuesDoc>(models.auditPersonalValues.collection.name);

  /** The ids of a range, which follow from its ends: times never decrease in a chain. */
  async function idsOf(chain: string, { from, to }: AuditRange): Promise<{ $gte: string; $lt: string }> {
    const { $gte, $lt } = idsOfChain(chain);
    const firstSince = (time: Date) =>
      entries.findOne({ chain, at: { $gte: time } }, { sort: { at: 1, _id: 1 }, projection: { _id: 1 } });
    const [first, end] = await Promise.all([from && firstSince(from), to && firstSince(to)]);
    return { $gte: from ? (first?._id ?? $lt) : $gte, $lt: end?._id ?? $lt };
  }

  async function opened(docs: readonly AuditEntryDoc[]): Promise<AuditedChange[]> {
    const ids = docs.map(({ _id }) => _id);
    const kept = await personalValues.find({ _id: { $in: ids } }).toArray();
    const valuesOf = new Map(kept.map(({ _id, values }) => [_id, values]));
    return docs.map(({ _id, at, actor, action, before, after, requestId }) => {
      const values = valuesOf.get(_id) ?? [];
      return {
        id: _id,
        at,
        actor,
        action,
        before: openFields(before, 'before', values),
        after: openFields(after, 'after', values),
        requestId,
      };
    });
  }

  return {
    async page(tenantId, { first, after, action, ...range }) {
      const chain = chainOf(tenantId);
      const ids = await idsOf(chain, range);
      const found = await entries
        .find({
          $and: [{ _id: ids }, ...(after ? [{ _id: { $lt: after } }] : [])],
          ...(action && { chain, action }),
        })
        .sort({ _id: -1 })
        .limit(first + 1)
        .toArray();
      return { entries: await opened(found.slice(0, first)), hasNextPage: found.length > first };
    },

    async *pages(tenantId, range) {
      const chain = chainOf(tenantId);
      const ids = await idsOf(chain, range);
      const { action } = range;
      for (let last = ''; ; ) {
        const found = await entries
          .find({ $and: [{ _id: ids }, { _id: { $gt: last } }], ...(action && { chain, action }) })
          .sort({ _id: 1 })
          .limit(PAGE)
          .toArray();
        if (found.length > 0) yield await opened(found);
        const { _id } = found.at(-1) ?? { _id: last };
        if (found.length < PAGE) return;
        last = _id;
      }
    },
  };
}

/** Fields that the operator writes for its own people. */
const FOR_OPERATORS = ['reason'];

/** What a tenant reads of an entry: not which of the operator's people or keys acted, nor why. */
export const forTenant = (change: AuditedChange): AuditedChange => ({
  ...change,
  actor: change.actor.startsWith('operator:') ? 'operator' : change.actor,
  before: shownFields(change.before),
  after: shownFields(change.after),
});

const shownFields = (fields: AuditedChange['before']): AuditedChange['before'] =>
  fields && Object.fromEntries(Object.entries(fields).filter(([name]) => !FOR_OPERATORS.includes(name)));
