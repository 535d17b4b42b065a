import type { GraphQLError, OperationTypeNode } from 'graphql';
import type { Outcome } from '../limits.js';
import { chargesOf } from './operationCost.js';
import type { OperationPlan } from './plan.js';

/** The result of an operation. */
export interface OperationResult {
  kind: OperationTypeNode;
  /** The errors as they were thrown, with their paths. */
  errors: readonly GraphQLError[];
  /** false if the response has no data, or there was no response. */
  hasData: boolean;
}

/** Which errors are the server's, and for which errors the calls of their field are returned. */
export interface FailureRules {
  isServerError(thrown: GraphQLError): boolean;
  isReturnable(thrown: GraphQLError): boolean;
}

/** Which calls of an operation are returned, and what it did not store. */
export function outcomeOf(plan: OperationPlan, result: OperationResult, rules: FailureRules): Outcome {
  const { errors, hasData } = result;
  // Without data the errors name only one failed field: the others may have failed too, or never have run.
  const lost = !hasData && (errors.length === 0 || errors.some(rules.isServerError));
  const returnableRoots = lost ? notRun(plan, result) : rootsOf(errors.filter(rules.isReturnable));
  return {
    failed: lost || errors.length > 0,
    returned: chargesOf(
      plan.fields.filter(({ rootKey }) => returnableRoots === 'all' || returnableRoots.has(rootKey)),
    ),
    notStored: notStored(plan, result),
  };
}

/** Root fields whose resolver failed or never ran. An error below a root field says nothing about what it stored. */
function notStored(plan: OperationPlan, result: OperationResult): ReadonlySet<string> | 'all' {
  const { kind, errors, hasData } = result;
  const failed = new Set(errors.flatMap(({ path }) => (path?.length === 1 ? [String(path[0])] : [])));
  if (hasData || errors.length === 0) return failed;
  // Errors from before the execution have no path.
  if (errors.every(({ path }) => !path)) return 'all';
  if (kind !== 'mutation') return failed;
  const roots = plan.roots.map(({ key }) => key);
  const failedRoots = rootsOf(errors);
  const failedAt = roots.findIndex((key) => failedRoots.has(key));
  return failedAt < 0 ? failed : new Set([...failed, ...roots.slice(failedAt + 1)]);
}

/** Root fields that did not run. A mutation runs them in order, so those before the failed one did. */
function notRun(plan: OperationPlan, { kind, errors }: OperationResult): ReadonlySet<string> | 'all' {
  const failed = rootsOf(errors);
  const roots = plan.roots.map(({ key }) => key);
  const failedAt = roots.findIndex((key) => failed.has(key));
  return kind === 'mutation' && failedAt > 0 ? new Set(roots.slice(failedAt)) : 'all';
}

const rootsOf = (errors: readonly GraphQLError[]): ReadonlySet<string> =>
  new Set(errors.flatMap(({ path }) => (path?.[0] === undefined ? [] : [String(path[0])])));
