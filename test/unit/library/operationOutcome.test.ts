import fc from 'fast-check';
import { GraphQLError, type OperationTypeNode } from 'graphql';
import { describe, expect, it } from 'vitest';
import { type OperationResult, outcomeOf } from '../../../packages/limits/src/analysis/operationOutcome.js';
import type { OperationPlan } from '../../../packages/limits/src/analysis/plan.js';

const ROOTS = ['a', 'b', 'c'];

/** Root fields a, b and c, each of which costs one call of its own endpoint. The cast leaves out what no outcome depends on. */
const PLAN = {
  roots: ROOTS.map((key) => ({ key, rule: null, args: {} })),
  fields: ROOTS.map((key) => ({ rootKey: key, endpoint: key, calls: 1 })),
} as unknown as OperationPlan;

const RULES = {
  isServerError: ({ message }: GraphQLError) => message === 'server',
  isReturnable: ({ message }: GraphQLError) => message !== 'late',
};

const failure = (path: readonly (string | number)[] | undefined, message = 'server') =>
  new GraphQLError(message, { path });

function outcome(kind: string, hasData: boolean, ...errors: GraphQLError[]) {
  const result: OperationResult = { kind: kind as OperationTypeNode, errors, hasData };
  const { failed, returned, notStored } = outcomeOf(PLAN, result, RULES);
  return {
    failed,
    returned: returned.map(({ endpoint }) => endpoint).join(''),
    notStored: notStored === 'all' ? 'all' : [...notStored].join(''),
  };
}

describe('the outcome of an operation', () => {
  it('returns nothing after success', () => {
    expect(outcome('query', true)).toEqual({ failed: false, returned: '', notStored: '' });
  });

  it('returns all calls if there was no response', () => {
    expect(outcome('mutation', false)).toMatchObject({ failed: true, returned: 'abc' });
  });

  it('returns the calls of the fields that failed while others have data', () => {
    expect(outcome('mutation', true, failure(['b']))).toEqual({
      failed: true,
      returned: 'b',
      notStored: 'b',
    });
  });

  it('returns no calls for an error that is not returnable, although nothing was stored', () => {
    expect(outcome('mutation', true, failure(['b'], 'late'))).toEqual({
      failed: true,
      returned: '',
      notStored: 'b',
    });
  });

  it('returns the calls of a field whose result is incomplete, but counts it as stored', () => {
    expect(outcome('mutation', true, failure(['b', 0, 'text']))).toEqual({
      failed: true,
      returned: 'b',
      notStored: '',
    });
  });

  it('of a mutation without data keeps the calls of the fields before the failed one', () => {
    expect(outcome('mutation', false, failure(['b']))).toEqual({
      failed: true,
      returned: 'bc',
      notStored: 'bc',
    });
  });

  it('of a query without data returns all calls, since its fields run side by side', () => {
    expect(outcome('query', false, failure(['b']))).toEqual({
      failed: true,
      returned: 'abc',
      notStored: 'b',
    });
  });

  it('without data returns only the failed field for an error that the server did not cause', () => {
    expect(outcome('query', false, failure(['b'], 'client')).returned).toBe('b');
  });

  it('stored nothing if all errors are from before the execution', () => {
    expect(outcome('mutation', false, failure(undefined, 'client'))).toEqual({
      failed: true,
      returned: '',
      notStored: 'all',
    });
  });

  it('returns each call once at most, and calls a field not stored only if it failed or came later', () => {
    const paths = fc.array(fc.constantFrom(['a'], ['b'], ['c'], ['b', 0], undefined), { maxLength: 5 });
    const messages = fc.constantFrom('server', 'client', 'late');
    fc.assert(
      fc.property(
        paths,
        messages,
        fc.boolean(),
        fc.constantFrom('query', 'mutation'),
        (all, message, hasData, kind) => {
          const errors = all.map((path) => failure(path, message));
          const { returned, notStored } = outcome(kind, hasData, ...errors);
          expect(new Set(returned).size).toBe(returned.length);
          if (notStored === 'all') {
            expect(all.every((path) => !path)).toBe(true);
            return;
          }
          const failedRoots = new Set<unknown>(all.map((path) => path?.[0]));
          const first = ROOTS.findIndex((key) => failedRoots.has(key));
          for (const key of notStored) {
            const failedItself = all.some((path) => path?.length === 1 && path[0] === key);
            const cameLater = kind === 'mutation' && !hasData && ROOTS.indexOf(key) > first;
            expect(failedItself || cameLater).toBe(true);
          }
        },
      ),
    );
  });
});
