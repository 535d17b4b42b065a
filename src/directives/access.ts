import type { Access, ArgumentCheck } from '@continuum-billing/limits/core';
import { ApiKeyScope, type OperationPlan, type Rules } from '@continuum-billing/limits/core';
import {
  type DocumentNode,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import { Extensions } from 'type-graphql';
import { forbidden, unauthenticated } from '../common/errors.js';
import { type Principal } from '../services/accounts/principal.js';

export const Checked = (check: ArgumentCheck) => Extensions({ check });

/** A list argument of a mutation whose items are taken one by one: one that does not fit its type rejects no other. */
export const OneByOne = (argument: string) => Extensions({ oneByOne: argument });

/** No key needed. */
export const PublicAccess = () => Extensions({ access: { kind: 'public' } satisfies Access });

/** A tenant's key with the scope, or the operator's key. */
export const RequiresScope = (scope: ApiKeyScope) =>
  Extensions({ access: { kind: 'scope', scope } satisfies Access });

/** The key of a service that enforces limits, or the operator's. */
export const ServiceOnly = () => Extensions({ access: { kind: 'service' } satisfies Access });

export const OperatorOnly = () => Extensions({ access: { kind: 'operator' } satisfies Access });

/**
 * Who may run an operation, as far as its document says, before its variables are looked at.
 * @param given the variables as they came
 */
export function accessOf(
  schema: GraphQLSchema,
  rules: Rules,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  given: Record<string, unknown>,
): Access[] {
  const root = schema.getRootType(operation.operation)?.name;
  const found = new Set<Access>();
  const entered = new Set<string>();
  const fragments = new Map(
    document.definitions.flatMap((node) =>
      node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node] as const] : [],
    ),
  );
  const defaults = new Map(
    operation.variableDefinitions?.map(({ variable, defaultValue }) => [variable.name.value, defaultValue]),
  );
  /** Variables that are no Boolean are rejected later. */
  function isBoolean(node: ValueNode | undefined, wanted: boolean): boolean {
    if (node?.kind !== Kind.VARIABLE) return node?.kind === Kind.BOOLEAN && node.value === wanted;
    const { value: name } = node.name;
    return Object.hasOwn(given, name) ? given[name] === wanted : isBoolean(defaults.get(name), wanted);
  }
  const isLeftOut = ({ directives = [] }: SelectionNode): boolean =>
    directives.some(
      ({ name, arguments: args }) =>
        (name.value === 'skip' && isBoolean(args?.[0]?.value, true)) ||
        (name.value === 'include' && isBoolean(args?.[0]?.value, false)),
    );
  function collect({ selections }: SelectionSetNode): void {
    for (const node of selections) {
      if (isLeftOut(node)) continue;
      if (node.kind === Kind.FIELD) {
        const access = rules.get(`${root}.${node.name.value}`)?.access;
        if (access) found.add(access);
      } else if (node.kind === Kind.INLINE_FRAGMENT) {
        collect(node.selectionSet);
      } else if (!entered.has(node.name.value)) {
        entered.add(node.name.value);
        const fragment = fragments.get(node.name.value);
        if (fragment) collect(fragment.selectionSet);
      }
    }
  }
  collect(operation.selectionSet);
  return [...found];
}

/** @throws UNAUTHENTICATED, FORBIDDEN when the caller may not select the fields */
export function checkAccess(accesses: readonly Access[], principal: Principal | null): void {
  for (const access of accesses) {
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
}

/** @throws FORBIDDEN when what only tenants have is asked for by somebody else */
export function checkTenant(plan: OperationPlan, principal: Principal | null): void {
  if (principal && principal.kind !== 'tenant' && (plan.metered || plan.features.length > 0)) {
    throw forbidden(`The ${principal.kind} has no memories or limits of its own; use a tenant's key`);
  }
}
