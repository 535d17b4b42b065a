import { type Charge, type OperationPlan, type PlannedField } from '@continuum-billing/limits/core';
import { badInput, serviceUnavailable } from '../common/errors.js';
import type {
  Answer,
  IdempotencyKeys,
  KeyState,
  RequestLease,
} from '../services/idempotency/idempotencyKeys.js';

/** The states of the idempotency keys of root fields, by the field's name in the response. */
export type KeyStates = ReadonlyMap<string, KeyState>;

interface Keyed {
  rootKey: string;
  field: string;
  key: string;
  argument: string;
  content: unknown;
}

/** Root fields that store memories and have a key. Fields such as `consume`, which charge by themselves, also acquire their keys themselves. */
function keyedFields({ fields, roots }: OperationPlan): Keyed[] {
  const storing = new Map(fields.filter(storesMemories).map((field) => [field.rootKey, field]));
  if (storing.size === 0) return [];
  return roots.flatMap(({ key: rootKey, args }) => {
    const field = storing.get(rootKey);
    if (!field) return [];
    const input = field.stores as { idempotencyKey?: string | null };
    const inInput = !Array.isArray(input);
    const key = inInput ? input.idempotencyKey : (args.idempotencyKey as string | null | undefined);
    if (key == null) return [];
    const content = [input].flat().map(contentOf);
    const argument = inInput ? 'input.idempotencyKey' : 'idempotencyKey';
    return [{ rootKey, field: field.endpoint, key, argument, content }];
  });
}

const storesMemories = ({ rule }: PlannedField): boolean =>
  rule.storageArg !== null && rule.storedResource === null;

const contentOf = ({ content, embedding, metadata }: Record<string, unknown>) => [
  content,
  embedding ?? null,
  metadata ?? null,
];

/**
 * Acquires the idempotency keys of an operation, before anything is charged.
 * @throws BAD_USER_INPUT, SERVICE_UNAVAILABLE; in both cases nothing stays leased
 */
export async function acquireKeys(
  keys: IdempotencyKeys,
  plan: OperationPlan,
  tenantId: string,
): Promise<KeyStates | null> {
  const keyed = keyedFields(plan);
  if (keyed.length === 0) return null;
  const keyStates = new Map<string, KeyState>();
  const contents = new Map<string, string>();
  try {
    // Always in the same order, so that two operations cannot wait for each other.
    for (const { rootKey, ...request } of keyed.sort((a, b) => compare(a.field + a.key, b.field + b.key))) {
      const name = `${request.field}:${request.key}`;
      const content = JSON.stringify(request.content);
      const same = contents.get(name);
      if (same !== undefined && same !== content)
        throw badInput(
          request.argument,
          'is used twice in the operation with different content; use one key per content',
        );
      // A second field with the same key and content gets the result of the first.
      keyStates.set(
        rootKey,
        same === undefined
          ? await keys.acquire({ tenantId, ...request })
          : { kind: 'REPEATED', id: `${tenantId}:${name}` },
      );
      contents.set(name, content);
    }
    return keyStates;
  } catch (error) {
    await releaseKeys(keys, keyStates).catch(() => undefined);
    throw error;
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

const openLeases = (keyStates: KeyStates | null): RequestLease[] =>
  [...(keyStates?.values() ?? [])].flatMap((state) =>
    state.kind === 'OPEN' && !state.isAnswered ? [state] : [],
  );

export async function releaseKeys(keys: IdempotencyKeys, keyStates: KeyStates | null): Promise<void> {
  for (const lease of openLeases(keyStates)) await keys.release(lease);
}

/** @returns the charges that may be returned: all but those that another attempt relies on */
export async function returnable(
  keys: IdempotencyKeys,
  keyStates: KeyStates | null,
  charges: readonly Charge[],
): Promise<readonly Charge[]> {
  const kept = new Set<string>();
  for (const lease of openLeases(keyStates)) if (!(await keys.mayReturnCalls(lease))) kept.add(lease.attempt);
  return kept.size === 0 ? charges : charges.filter(({ mark }) => mark === undefined || !kept.has(mark));
}

/** The plan given the states of its keys: a repeated field costs and stores nothing, and new charges carry the marks of their attempts. */
export function withKeyStates(plan: OperationPlan, keyStates: KeyStates | null): OperationPlan {
  if (!keyStates) return plan;
  const fields = plan.fields.flatMap((field): PlannedField[] => {
    const state = keyStates.get(field.rootKey);
    if (!state || field.rule.storageArg === null) return [field];
    if (state.kind !== 'OPEN') return [{ ...field, calls: 0, rule: { ...field.rule, storageArg: null } }];
    return [state.isCharged ? { ...field, calls: 0 } : { ...field, mark: state.attempt }];
  });
  return { ...plan, fields };
}

/** @throws SERVICE_UNAVAILABLE if the field with the same key failed */
export async function answerOf(
  keys: IdempotencyKeys,
  state: Exclude<KeyState, RequestLease>,
): Promise<Answer> {
  const answer = state.kind === 'ANSWERED' ? state.answer : await keys.answerOf(state.id);
  if (!answer)
    throw serviceUnavailable(
      'The field with the same idempotency key failed; send the request again with the same key',
    );
  return answer;
}
