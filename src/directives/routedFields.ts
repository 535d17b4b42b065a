import { ApiKeyScope, type Rules, type WorkWeights } from '@continuum-billing/limits/core';
import {
  coerceInputValue,
  type GraphQLArgument,
  type GraphQLSchema,
  isNonNullType,
  isObjectType,
} from 'graphql';
import type { Clock } from '../common/clock.js';
import { type BillingError, badInput } from '../common/errors.js';
import type { Principal } from '../services/accounts/principal.js';
import type { CallerSlots, RequestSender } from '../services/limits/callerSlots.js';
import { isRejection, type TenantLimits } from '../services/limits/tenantLimits.js';
import { checkAccess } from './access.js';
import { withoutSuggestion } from './clientErrors.js';
import type { WorkBounds } from './workBounds.js';

/**
 * A root field that a REST route serves too, without a document and its execution. The schema's rules of the field, of its
 * arguments and of its work hold for both; the steps come in the order of the enforcement plugin.
 */
export interface RoutedField {
  /**
   * For a request whose body has not been read yet.
   * @returns a function that releases the caller's slot
   * @throws UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED
   */
  admit(sender: RequestSender): Promise<() => void>;
  /**
   * @param body an object with the value of each argument
   * @returns the valid arguments
   * @throws BAD_USER_INPUT, OPERATION_TOO_EXPENSIVE
   */
  read(body: unknown): Record<string, unknown>;
  /**
   * Checks arguments that already have their types.
   * @throws BAD_USER_INPUT
   */
  check(args: Record<string, unknown>): void;
  /**
   * Counts the call in the field's own limits: the tenant's, or for operators those that all their keys share.
   * @throws RATE_LIMITED, TENANT_SUSPENDED
   */
  takeLimits(principal: Principal, tenantId: string | null): Promise<void>;
  /**
   * Waits for the turn of a large call, and returns a function that ends it; null: the call need not wait.
   * @throws SERVICE_UNAVAILABLE if it has to wait too long
   */
  enterGate(args: Record<string, unknown>, sender: RequestSender): Promise<() => void> | null;
}

/** @returns a function that makes a routed field of a root field that costs no calls, by its coordinate: `Mutation.setSeats` */
export function createRoutedFields(deps: {
  schema: GraphQLSchema;
  rules: Rules;
  costs: WorkWeights;
  work: WorkBounds;
  callerSlots: CallerSlots;
  limits: Pick<TenantLimits, 'take' | 'takeAsOperator'>;
  validateArguments: (coordinate: string, args: Record<string, unknown>) => BillingError | null;
  clock: Clock;
}): (coordinate: string) => RoutedField {
  const { schema, rules, costs, work, callerSlots, limits, validateArguments, clock } = deps;
  return (coordinate) => {
    const [root = '', name = ''] = coordinate.split('.');
    const type = schema.getType(root);
    const field = isObjectType(type) ? type.getFields()[name] : undefined;
    const rule = rules.get(coordinate);
    if (!rule?.access || !field) throw new Error(`${coordinate} is not in the schema, or has no access rule`);
    const { access, fieldLimits } = rule;
    const isPaying = access.kind === 'scope' && access.scope === ApiKeyScope.BILLING;
    const weight = costs.get(coordinate)?.weight ?? 1;
    /** Like the analysis of a document: the field does its work for each item of its list argument. */
    const workOf = (args: Record<string, unknown>): number =>
      weight * Math.max(1, ...Object.values(args).map((value) => (Array.isArray(value) ? value.length : 1)));

    function check(args: Record<string, unknown>): void {
      const invalid = validateArguments(coordinate, args);
      if (invalid) throw invalid;
      rule?.check?.(args, clock.now());
    }

    async function rejectionOf(principal: Principal, tenantId: string | null): Promise<BillingError | null> {
      if (principal.kind === 'operator') return limits.takeAsOperator(fieldLimits);
      if (tenantId === null) return null;
      const cost = { charges: [], features: [], fieldLimits, stores: new Map(), concurrent: false };
      const outcome = await limits.take(cost, tenantId);
      return isRejection(outcome) ? outcome.error : null;
    }

    return {
      async admit(sender) {
        checkAccess([access], sender.principal);
        return callerSlots.take(sender, isPaying);
      },
      read(body) {
        const args = coerceArguments(field.args, body);
        work.check({ cost: workOf(args), heaviestField: coordinate }, { isMessage: false });
        check(args);
        return args;
      },
      check,
      async takeLimits(principal, tenantId) {
        const error = fieldLimits.length > 0 ? await rejectionOf(principal, tenantId) : null;
        if (error) throw error;
      },
      enterGate: (args, sender) => work.gateOf(workOf(args), sender)?.() ?? null,
    };
  };
}

/**
 * Converts values as graphql-js does for variables.
 * @throws BAD_USER_INPUT for the first value that does not fit its type
 */
function coerceArguments(args: readonly GraphQLArgument[], body: unknown): Record<string, unknown> {
  if (body === null || typeof body !== 'object' || Array.isArray(body))
    throw badInput('body', 'is not a JSON object');
  const given = body as Record<string, unknown>;
  for (const name in given) {
    if (!args.some((arg) => arg.name === name))
      throw badInput('body', `must not have the key "${name.slice(0, MAX_SHOWN)}"`);
  }
  return Object.fromEntries(
    args.map(({ name, type }) => {
      const value = given[name];
      if (value === undefined && isNonNullType(type)) throw badInput(name, 'is required');
      return [
        name,
        coerceInputValue(value, type, (path, wrong, error) => reject([name, ...path], wrong, error.message)),
      ];
    }),
  );
}

const MAX_SHOWN = 50;

/** graphql's message quotes a wrong value, which may be an object with any number of fields. */
function reject(path: readonly (string | number)[], value: unknown, message: string): never {
  const isNested = typeof value === 'object' && value !== null && !message.startsWith('Field ');
  const problem = isNested
    ? `must not be ${Array.isArray(value) ? 'a list' : 'an object'}`
    : withoutSuggestion(message);
  throw badInput(path.join('.'), problem);
}
