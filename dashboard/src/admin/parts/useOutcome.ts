import type { TypedDocumentNode } from '@apollo/client';
import { useApolloClient } from '@apollo/client/react';
import { useEffect, useRef, useState } from 'react';
import { type ToastOptions, toast } from '../../design/index.js';

/** What is attempted in the background: a stored event, a delivery. */
interface Attempted {
  id: string;
  status: string;
}

const SOON_MS = 500;
/** An attempt that was not made by then waits for something, such as an endpoint that is paused. */
const MOST_MS = 30_000;

/**
 * Follows attempts: reads what each is about until it was made, at most 30 s, and says how it ended. Lists and dialogs show
 * what was read, because it has the same id.
 * @param hasFailed whether an attempt was made since `begun` that failed and is repeated later
 * @param describe the note about it; null: no attempt was made in this time
 */
export function useOutcome<Item extends Attempted, Data>(
  query: TypedDocumentNode<Data, { id: string }>,
  pick: (data: Data) => Item | null | undefined,
  hasFailed: (begun: Item, now: Item) => boolean,
  describe: (item: Item | null) => ToastOptions,
): {
  /** The ids of those that are followed. */
  running: ReadonlySet<string>;
  /** @param begun as it was before the attempt */
  follow(begun: Item): void;
} {
  const client = useApolloClient();
  const [running, setRunning] = useState<ReadonlySet<string>>(new Set());
  const left = useRef(false);
  useEffect(() => {
    left.current = false;
    return () => {
      left.current = true;
    };
  }, []);

  async function outcomeOf(begun: Item): Promise<Item | null> {
    const until = Date.now() + MOST_MS;
    while (!left.current && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, SOON_MS));
      // What cannot be read now may be a moment later.
      const result = await client
        .query<Data, { id: string }>({ query, variables: { id: begun.id }, fetchPolicy: 'network-only' })
        .catch(() => undefined);
      const item = result?.data ? pick(result.data as Data) : undefined;
      if (item && (item.status !== 'PENDING' || hasFailed(begun, item))) return item;
    }
    return null;
  }

  async function follow(begun: Item): Promise<void> {
    setRunning((ids) => new Set([...ids, begun.id]));
    const item = begun.status === 'PENDING' ? await outcomeOf(begun) : begun;
    if (left.current) return;
    setRunning((ids) => new Set([...ids].filter((id) => id !== begun.id)));
    toast(describe(item));
  }

  return { running, follow: (begun) => void follow(begun) };
}
