import type { TypedDocumentNode } from '@apollo/client';
import { addTypenameToDocument } from '@apollo/client/utilities';
import { print } from 'graphql';
import { type Client, createClient as createWsClient } from 'graphql-ws';
import { createContext, useContext, useEffect, useRef, useState } from 'react';
import { explain } from './errors.js';
import { askable } from './sampleDomain.js';

/** Whether live updates arrive. `off`: the server has none of this kind, so that reading again is up to the person. */
export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'off';

const MAX_RETRY_MS = 30_000;
const KEEP_ALIVE_MS = 20_000;

/** One WebSocket for all streams of a page. It connects with the first of them. */
export function createLive(): Client {
  return createWsClient({
    url: () => `${location.origin.replace(/^http/, 'ws')}/graphql`,
    connectionParams: { session: 'operator' },
    lazy: true,
    keepAlive: KEEP_ALIVE_MS,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: (event) => !(event instanceof CloseEvent) || !FINAL_CODES.has(event.code),
    retryWait: (retries) => {
      const most = Math.min(500 * 2 ** retries, MAX_RETRY_MS);
      return new Promise((resolve) => setTimeout(resolve, most * (0.5 + Math.random() / 2)));
    },
  });
}

/** Not accepted: signed out, or no WebSockets here. Trying again changes nothing. */
const FINAL_CODES = new Set([4400, 4401, 4403, 4406, 4429]);

export const LiveContext = createContext<Client | null>(null);

/**
 * Follows one of the fields of `Realtime`.
 * @param options.onData each message
 * @param options.onReconnect messages may have been missed: read again
 * @param options.skip while there is nothing to follow
 */
export function useLive<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentNode<Data, Variables>,
  options: {
    variables?: Variables;
    skip?: boolean;
    onData(data: Data): void;
    onReconnect?(): unknown;
  },
): LiveState {
  const client = useContext(LiveContext);
  const [state, setState] = useState<LiveState>('connecting');
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  const variables = JSON.stringify(options.variables ?? {});
  const skip = options.skip ?? false;
  useEffect(() => {
    if (!client || skip) {
      setState('off');
      return;
    }
    setState('connecting');
    let connectedBefore = false;
    const offs = [
      client.on('connected', () => {
        if (connectedBefore) latest.current.onReconnect?.();
        connectedBefore = true;
        setState('live');
      }),
      client.on('closed', () => setState('reconnecting')),
    ];
    const stop = client.subscribe<Data, never>(
      // With the types' names, so that what arrives can be written to the cache.
      { query: print(addTypenameToDocument(askable(document))), variables: JSON.parse(variables) },
      {
        next: ({ data }) => {
          connectedBefore = true;
          setState('live');
          if (data) latest.current.onData(data);
        },
        error: (error) => {
          // The page still works: it reads when it is opened or asked to.
          if (import.meta.env.DEV) console.warn('live', explain(Array.isArray(error) ? error[0] : error));
          setState('off');
        },
        complete: () => setState('off'),
      },
    );
    return () => {
      for (const off of offs) off();
      stop();
    };
  }, [client, document, variables, skip]);
  return state;
}
