import { Extensions } from 'type-graphql';
import type { ApiKeyScope } from '../services/identity/principal.js';

/** Who may select a root field. */
export type Access = { kind: 'public' } | { kind: 'scope'; scope: ApiKeyScope } | { kind: 'operator' };

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

export const OperatorOnly = () => Extensions({ access: { kind: 'operator' } satisfies Access });
