import { useCallback, useState } from 'react';
import { explain } from '../../api/errors.js';
import { toast } from '../../design/index.js';
import type { Action } from './steps.js';

/** The last of them; the timeline needs no more. */
const MAX_ACTIONS = 50;

export interface Actions {
  /** Oldest first. */
  done: readonly Action[];
  /** Which one runs: its title. */
  pending: string | null;
  /** Runs one action at a time. What it throws is shown as a toast. @returns whether it worked */
  run(title: string, work: () => Promise<unknown>): Promise<boolean>;
}

export function useActions(serverNow: () => number, refresh: () => Promise<unknown>): Actions {
  const [done, setDone] = useState<readonly Action[]>([]);
  const [pending, setPending] = useState<string | null>(null);
  const run = useCallback(
    async (title: string, work: () => Promise<unknown>) => {
      const action = { id: performance.now(), title, atMs: serverNow() };
      setPending(title);
      try {
        setDone((before) => [...before, action].slice(-MAX_ACTIONS));
        await work();
        return true;
      } catch (error) {
        setDone((before) => before.filter(({ id }) => id !== action.id));
        const { title: what, message, advice } = explain(error);
        toast({ tone: 'danger', title: what, text: `${message} ${advice}` });
        return false;
      } finally {
        setPending(null);
        await refresh();
      }
    },
    [serverNow, refresh],
  );
  return { done, pending, run };
}
