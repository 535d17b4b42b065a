import type { ApiKeyScope } from '../apiKeyScope.js';

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
