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
import { forbidden } from '../common/errors.js';
import {
  type OperatorPrincipal,
  OperatorRole,
  type Principal,
  requirePrincipal,
} from '../services/accounts/principal.js';

/** Checks the arguments of a root field after their constraints, before anything is charged. */
export const Checked = (check: ArgumentCheck) => Extensions({ check });

/** A list argument of a mutation whose items are handled one by one: an item of the wrong type rejects no other item. */
export const OneByOne = (argument: string) => Extensions({ oneByOne: argument });

/** Anyone may select the field, even without a key. */
export const PublicAccess = () => Extensions({ access: { kind: 'public' } satisfies Access });

/** The role that an operator needs where a tenant needs the scope. Other scopes need an OWNER. */
const ROLE_FOR_SCOPE: Partial<Record<ApiKeyScope, OperatorRole>> = {
  [ApiKeyScope.READ]: OperatorRole.READ,
  [ApiKeyScope.KEYS]: OperatorRole.PROVISION,
};

/**
 * A tenant's key with the scope, or an operator's key with the role.
 * @param options.service whether a key with the scope ENFORCE is enough too
 */
export const RequiresScope = (
  scope: ApiKeyScope,
  {
    role = ROLE_FOR_SCOPE[scope] ?? OperatorRole.OWNER,
    service,
  }: { role?: OperatorRole; service?: true } = {},
) => Extensions({ access: { kind: 'scope', scope, role, ...(service && { service }) } satisfies Access });

/** The key of a service that enforces limits, or an OWNER's key. */
export const ServiceOnly = () => Extensions({ access: { kind: 'service' } satisfies Access });

/** An operator's key with the role, or with one that includes it. */
export const RequiresRole = (role: OperatorRole) =>
  Extensions({ access: { kind: 'role', role } satisfies Access });

/** The roles that may do what a role may do. */
const INCLUDED_IN: Record<OperatorRole, readonly OperatorRole[]> = {
  [OperatorRole.OWNER]: [OperatorRole.OWNER],
  [OperatorRole.SUPPORT]: [OperatorRole.OWNER, OperatorRole.SUPPORT],
  [OperatorRole.PROVISION]: [OperatorRole.OWNER, OperatorRole.PROVISION],
  [OperatorRole.READ]: [OperatorRole.OWNER, OperatorRole.SUPPORT, OperatorRole.READ],
};

export const hasRole = ({ role }: OperatorPrincipal, needed: OperatorRole): boolean =>
  INCLUDED_IN[needed].includes(role);

/** @throws FORBIDDEN if the operator's key has another role */
export function requireRole(principal: OperatorPrincipal, needed: OperatorRole): void {
  if (hasRole(principal, needed)) return;
  const roles = INCLUDED_IN[needed].toReversed().join(' or ');
  throw forbidden(`This operator key has the role ${principal.role}; this needs ${roles}`);
}

/** Reads the access rules of an operation. @param given the variables, as the client sent them */
export type AccessReader = (
  document: DocumentNode,
  operation: OperationDefinitionNode,
  given: Record<string, unknown>,
) => readonly Access[];

/**
 * The access rules of operations as far as they follow from their documents, before their variables are coerced. They are
 * cached with the document, unless they depend on the values of variables.
 */
export function createAccessReader(schema: GraphQLSchema, rules: Rules): AccessReader {
  const known = new WeakMap<OperationDefinitionNode, readonly Access[]>();
  return (document, operation, given) => {
    const cached = known.get(operation);
    if (cached) return cached;
    const { accesses, dependsOnValues } = readAccess(schema, rules, document, operation, given);
    if (!dependsOnValues) known.set(operation, accesses);
    return accesses;
  };
}

function readAccess(
  schema: GraphQLSchema,
  rules: Rules,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  given: Record<string, unknown>,
): { accesses: Access[]; dependsOnValues: boolean } {
  const root = schema.getRootType(operation.operation)?.name;
  const found = new Set<Access>();
  const entered = new Set<string>();
  let dependsOnValues = false;
  const fragments = new Map(
    document.definitions.flatMap((node) =>
      node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node] as const] : [],
    ),
  );
  const defaults = new Map(
    operation.variableDefinitions?.map(({ variable, defaultValue }) => [variable.name.value, defaultValue]),
  );
  /** A variable that is not a Boolean is rejected later. */
  function isBoolean(node: ValueNode | undefined, wanted: boolean): boolean {
    if (node?.kind !== Kind.VARIABLE) return node?.kind === Kind.BOOLEAN && node.value === wanted;
    dependsOnValues = true;
    const { value: name } = node.name;
    return Object.hasOwn(given, name) ? given[name] === wanted : isBoolean(defaults.get(name), wanted);
  }
  const isSkipped = ({ directives = [] }: SelectionNode): boolean =>
    directives.some(
      ({ name, arguments: args }) =>
        (name.value === 'skip' && isBoolean(args?.[0]?.value, true)) ||
        (name.value === 'include' && isBoolean(args?.[0]?.value, false)),
    );
  function collect({ selections }: SelectionSetNode): void {
    for (const node of selections) {
      if (isSkipped(node)) continue;
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
  return { accesses: [...found], dependsOnValues };
}

/** @throws UNAUTHENTICATED or FORBIDDEN if the caller may not select the fields */
export function checkAccess(accesses: readonly Access[], caller: Principal | null): void {
  for (const access of accesses) {
    if (access.kind === 'public') continue;
    const principal = requirePrincipal(caller);
    if (principal.kind === 'operator') {
      requireRole(principal, access.kind === 'service' ? OperatorRole.OWNER : (access.role as OperatorRole));
      continue;
    }
    if (access.kind === 'role') throw forbidden("Only the operator may do this; use the operator's key");
    if (access.kind === 'service') {
      if (principal.kind === 'service') continue;
      throw forbidden(`Only a key with the scope ${ApiKeyScope.ENFORCE} may do this`);
    }
    if (principal.kind === 'service' && access.service) continue;
    if (principal.kind === 'service')
      throw forbidden(
        `A key with the scope ${ApiKeyScope.ENFORCE} can only decide operations; use another key for this`,
      );
    if (!principal.scopes.has(access.scope)) {
      throw forbidden(`This key lacks the scope ${access.scope}; create one that has it`);
    }
  }
}

/** @throws FORBIDDEN if a caller that is not a tenant selects a field that only tenants can use */
export function checkTenant(plan: OperationPlan, principal: Principal | null): void {
  if (principal && principal.kind !== 'tenant' && (plan.metered || plan.features.length > 0)) {
    throw forbidden(`The ${principal.kind} has no memories or limits of its own; use a tenant's key`);
  }
}
