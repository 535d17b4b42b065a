import { Extensions } from 'type-graphql';
import { forbidden, unauthenticated } from '../errors.js';
import { ApiKeyScope, type Principal } from '../services/identity/principal.js';
import type { OperationPlan } from './plan.js';

/** Who may select a root field. */
export type Access =
  | { kind: 'public' }
  | { kind: 'scope'; scope: ApiKeyScope }
  | { kind: 'service' }
  | { kind: 'operator' };

/**
 * A check of arguments that the constraints of their classes cannot say, made before anything is charged or run.
 * @throws BAD_USER_INPUT
 */
// biome-ignore lint/suspicious/noExplicitAny: each field's arguments have a type of their own
export type ArgumentCheck = (args: any, nowMs: number) => void;

export const Checked = (check: ArgumentCheck) => Extensions({ check });

/** No key needed. */
export const PublicAccess = () => Extensions({ access: { kind: 'public' } satisfies Access });

/** A tenant's key with the scope, or the operator's key. */
export const RequiresScope = (scope: ApiKeyScope) =>
  Extensions({ access: { kind: 'scope', scope } satisfies Access });

/** The key of a service that enforces limits, or the operator's. */
export const ServiceOnly = () => Extensions({ access: { kind: 'service' } satisfies Access });

export const OperatorOnly = () => Extensions({ access: { kind: 'operator' } satisfies Access });

/** @throws UNAUTHENTICATED, FORBIDDEN when the caller may not select the fields */
export function checkAccess(plan: OperationPlan, principal: Principal | null): void {
  for (const access of plan.access) {
    if (access.kind === 'public') continue;
    if (!principal) {
      throw unauthenticated(
        'An API key is needed: send it as the header x-api-key, or Authorization: Bearer <key>',
      );
    }
    if (principal.kind === 'operator') continue;
    if (access.kind === 'operator') throw forbidden("Only the operator's key may do this");
    if (access.kind === 'service') {
      if (principal.kind === 'service') continue;
      throw forbidden(`Only a key with the scope ${ApiKeyScope.ENFORCE} may do this`);
    }
    if (principal.kind === 'service')
      throw forbidden(
        `A key with the scope ${ApiKeyScope.ENFORCE} decides operations, and does nothing else`,
      );
    if (!principal.scopes.has(access.scope)) {
      throw forbidden(`This key lacks the scope ${access.scope}; create one that has it`);
    }
  }
  if (principal && principal.kind !== 'tenant' && (plan.metered || plan.features.length > 0)) {
    throw forbidden(`The ${principal.kind} has no memories or limits of its own; use a tenant's key`);
  }
}
