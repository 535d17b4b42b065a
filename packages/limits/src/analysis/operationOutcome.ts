import type { GraphQLError, OperationTypeNode } from 'graphql';
import type { Outcome } from '../limits.js';
import { chargesOf } from './operationCost.js';
import type { OperationPlan } from './plan.js';

/** How an operation ended. */
export interface OperationResult {
  kind: OperationTypeNode;
  /** As they were thrown, with their paths. */
  errors: readonly GraphQLError[];
  /** false: the answer's data are null, or there was no answer at all. */
  hasData: boolean;
}

/** Which failures are no fault of the caller, and which of them give back what their field had cost. */
export interface FailureRules {
  isServerError(thrown: GraphQLError): boolean;
  isReturnable(thrown: GraphQLError): boolean;
}

/** What is given back of what an operation was charged. */
export function outcomeOf(plan: OperationPlan, result: OperationResult, rules: FailureRules): Outcome {
  const { errors, hasData } = result;
  // Of an answer without data the errors tell one failed field only: the others may have failed too, or never have run.
  const lost = !hasData && (errors.length === 0 || errors.some(rules.isServerError));
  const givenBack = lost ? notRun(plan, result) : rootsOf(errors.filter(rules.isReturnable));
  return {
    failed: lost || errors.length > 0,
    returned: chargesOf(plan.fields.filter(({ rootKey }) => givenBack === 'all' || givenBack.has(rootKey))),
    notStored: notStored(plan, result),
  };
}

/** Root fields whose resolver failed, or never ran: a fault below one says nothing of what it has stored. */
function notStored(plan: OperationPlan, result: OperationResult): ReadonlySet<string> | 'all' {
  const { kind, errors, hasData } = result;
  const failed = new Set(errors.flatMap(({ path }) => (path?.length === 1 ? [String(path[0])] : [])));
  if (hasData || errors.length === 0) return failed;
  // What failed before anything ran has no path.
  if (errors.every(({ path }) => !path)) return 'all';
  if (kind !== 'mutation') return failed;
  const roots = plan.roots.map(({ key }) => key);
  const failedRoots = rootsOf(errors);
  const failedAt = roots.findIndex((key) => failedRoots.has(key));
  return failedAt < 0 ? failed : new Set([...failed, ...roots.slice(failedAt + 1)]);
}

/** A mutation's fields run one after the other: those before the one that failed did run. */
function notRun(plan: OperationPlan, { kind, errors }: OperationResult): ReadonlySet<string> | 'all' {
  const failed = rootsOf(errors);
  const roots = plan.roots.map(({ key }) => key);
  const failedAt = roots.findIndex((key) => failed.has(key));
  return kind === 'mutation' && failedAt > 0 ? new Set(roots.slice(failedAt)) : 'all';
}

const rootsOf = (errors: readonly GraphQLError[]): ReadonlySet<string> =>
  new Set(errors.flatMap(({ path }) => (path?.[0] === undefined ? [] : [String(path[0])])));
