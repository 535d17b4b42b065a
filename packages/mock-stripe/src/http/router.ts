import type { Operation } from '../operation.js';
import { unknownRoute } from './errors.js';

export interface Match {
  operation: Operation;
  id: string;
}

/** @returns a finder of the operation for a method and path; it throws MockStripeError (404) where there is none */
export function createRouter(operations: readonly Operation[]): (method: string, path: string) => Match {
  const routes = operations.map((operation) => ({ operation, segments: operation.path.split('/') }));
  return (method, path) => {
    const given = path.split('/');
    for (const { operation, segments } of routes) {
      if (operation.method !== method || segments.length !== given.length) continue;
      if (!segments.every((segment, index) => segment === ':id' || segment === given[index])) continue;
      const index = segments.indexOf(':id');
      return { operation, id: index === -1 ? '' : decoded(given[index] ?? '') };
    }
    throw unknownRoute(method, path);
  };
}

/** What is not encoded well names nothing, and is left as it is. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
