import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { ErrorLink } from '@apollo/client/link/error';
import { switchMap, timer } from 'rxjs';

/** What the plan of the tenant does not allow. */
export interface PlanLimit {
  message: string;
  /** When the same call would work again; null: with another plan only. */
  resetsAt: string | null;
  /** The billing server's own page, for apps without parts of their own. */
  upgradeUrl: string | null;
}

const CODES = ['RATE_LIMITED', 'FEATURE_NOT_AVAILABLE', 'STORAGE_QUOTA_EXCEEDED'];
/** Nobody minds so short a wait, and nobody upgrades because of it. */
const MAX_WAIT_S = 2;

/**
 * Notices the errors of limits. A limit that resets in a moment is waited for, and the operation is sent again, once. The
 * page learns of all others, whose operations fail with their errors.
 */
export function limitLink(onLimit: (limit: PlanLimit) => void): ErrorLink {
  return new ErrorLink(({ error, operation, forward }) => {
    const found = CombinedGraphQLErrors.is(error)
      ? error.errors.find(({ extensions }) => CODES.includes(String(extensions?.code)))
      : undefined;
    if (!found) return;
    const { response, hasWaited } = operation.getContext() as { response?: Response; hasWaited?: boolean };
    const retryAfterS = Number(response?.headers.get('retry-after') ?? Number.NaN);
    if (retryAfterS <= MAX_WAIT_S && !hasWaited) {
      operation.setContext({ hasWaited: true });
      return timer(retryAfterS * 1_000).pipe(switchMap(() => forward(operation)));
    }
    const { resetsAt, upgradeUrl } = found.extensions ?? {};
    onLimit({
      message: found.message,
      resetsAt: typeof resetsAt === 'string' ? resetsAt : null,
      upgradeUrl: typeof upgradeUrl === 'string' ? upgradeUrl : null,
    });
  });
}
