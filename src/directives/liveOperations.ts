import type { ApolloServer, GraphQLResponse } from '@apollo/server';
import type { OperationCost } from '@continuum-billing/limits/core';
import {
  type DocumentNode,
  type ExecutionArgs,
  execute,
  type FormattedExecutionResult,
  type GraphQLSchema,
} from 'graphql';
import {
  type BillingError,
  badInput,
  ErrorCode,
  responseTooLarge,
  serviceUnavailable,
} from '../common/errors.js';
import type { Credential } from '../services/accounts/callers.js';
import type { Changes } from '../services/infrastructure/changeStreams.js';
import { createGate } from '../services/infrastructure/gate.js';
import type { TenantLimits } from '../services/limits/tenantLimits.js';
import { type Ending, SLOW_READER } from '../services/realtime/liveClients.js';
import type { Mailbox } from '../services/realtime/mailbox.js';
import { type ErrorFormat, expectedFailure } from './clientErrors.js';
import type { AcceptedSubscription, EnforcedContext, LiveOperation } from './enforcementPlugin.js';
import { stringifyResult } from './largeResults.js';
import type { LoggedRequest } from './loggedRequest.js';
import { boundResult } from './responseBounds.js';

/** What is known of an operation before it runs, however it was sent. */
export interface ReceivedOperation {
  logged: LoggedRequest;
  /** null if the client sent none. */
  credential: Credential | null;
  address: string;
  maxResponseBytes: number;
  documentRead: () => Promise<void> | undefined;
  whenOver(then: () => void): void;
}

/** What a subscription needs of the connection of its client. */
export interface LiveContext extends LiveOperation {
  /** The client does not read as fast as there are messages. */
  overflowed(): void;
}

/** The context of an operation that may subscribe. */
export interface MessageContext extends EnforcedContext {
  /** For one message of a subscription: it has loaders and a size of its own, and reads what is true now. */
  forMessage(): MessageContext;
}

/** One message of a stream. */
export interface LiveMessage {
  result: FormattedExecutionResult;
  /** The same as JSON. */
  json: string;
}

/** The messages of a subscription. The iterator throws what ends the stream early; `return` ends it. */
export interface LiveStream extends AsyncIterableIterator<LiveMessage> {
  return(): Promise<IteratorResult<LiveMessage>>;
}

/** Of an operation that was answered with one response, which may be that it was rejected; or the messages that follow. */
export type LiveOutcome = { response: GraphQLResponse; stream: LiveStream | null };

/** Runs the operations of clients that can receive more than one response. */
export interface LiveOperations {
  /**
   * The same pipeline as for HTTP decides the operation: documents, access, limits, errors.
   */
  run(request: LiveRequest, received: ReceivedOperation, client: StreamOwner): Promise<LiveOutcome>;
}

/** The parameters of an operation, as GraphQL over HTTP names them. */
export interface LiveRequest {
  query: string;
  operationName?: string | null | undefined;
  variables?: Record<string, unknown> | null | undefined;
  extensions?: Record<string, unknown> | null | undefined;
}

/** The connection of a client. */
export interface StreamOwner {
  /**
   * Counts a stream.
   * @param characters of its document and variables
   * @param end ends the stream; called if the connection closes before it
   * @returns a function that ends the stream's share
   * @throws RATE_LIMITED
   */
  openStream(characters: number, end: () => void): Promise<() => void>;
  /** For a query or mutation: waits until the streams that the client asked for before it listen. */
  afterStreams(): Promise<void>;
  /** Ends all streams of the connection. */
  end(ending: Ending): void;
}

type Args = Pick<ExecutionArgs, 'document' | 'operationName' | 'variableValues'>;

interface Resolved {
  message: LiveMessage;
  /** Why it is the last one of its stream, instead of being sent. */
  failure: BillingError | null;
}

/** Units of work of messages that are resolved at once: of all streams, and of those about one tenant. */
const MAX_MESSAGE_UNITS = 10_000;
const MAX_MESSAGE_UNITS_EACH = 2_500;
/** Messages about one tenant that wait for their turn. */
const MAX_WAITING_MESSAGES = 5_000;
const MAX_WAITING_LARGE_MESSAGES = 500;

/** Of a subscription that needs no feature. */
const NO_COST: OperationCost = {
  charges: [],
  features: [],
  fieldLimits: [],
  stores: new Map(),
  concurrent: false,
};

interface OpenStream {
  /** Whether it is about the caller's own tenant. */
  readonly isOwn: boolean;
  readonly source: Mailbox;
  readonly cost: OperationCost | null;
}

export function createLiveOperations<C extends MessageContext>(deps: {
  apollo: ApolloServer<C>;
  schema: GraphQLSchema;
  createContext: (received: ReceivedOperation, live: LiveContext) => C;
  limits: Pick<TenantLimits, 'standing'>;
  changes: Pick<Changes, 'listen'>;
  formatError: ErrorFormat;
}): LiveOperations {
  const { apollo, schema, createContext, limits, changes, formatError } = deps;
  /** By the tenant that they are about. */
  const openStreams = new Map<string, Set<OpenStream>>();
  /** Streams with the same document and the same event share its result. */
  const resolved = new WeakMap<object, Map<string, Promise<Resolved>>>();
  /** For messages that are too small for the gate of large operations, of which a change may cause thousands. */
  const messageGate = createGate({
    maxUnits: MAX_MESSAGE_UNITS,
    maxUnitsEach: MAX_MESSAGE_UNITS_EACH,
    maxWaiting: MAX_WAITING_MESSAGES,
    busyMessage: TOO_MANY_MESSAGES,
  });
  /** Large messages about one tenant are resolved one after the other, so that it leaves the other gate to others. */
  const largeMessageGate = createGate({
    maxUnits: Number.POSITIVE_INFINITY,
    maxUnitsEach: 1,
    maxWaiting: MAX_WAITING_LARGE_MESSAGES,
    busyMessage: TOO_MANY_MESSAGES,
  });
  const documentIds = new WeakMap<DocumentNode, number>();
  let documentCount = 0;

  changes.listen({
    keyChanged: () => undefined,
    anythingMayHaveChanged: () => undefined,
    tenantChanged(tenantId) {
      for (const open of openStreams.get(tenantId) ?? []) void checkStanding(open);
    },
  });

  /** Ends a stream whose tenant was suspended, erased, or has lost the feature since. */
  async function checkStanding({ isOwn, source, cost }: OpenStream): Promise<void> {
    try {
      const error = await limits.standing(cost ?? NO_COST, source.tenantId);
      if (error) source.close(error);
    } catch (error) {
      // The credential of an erased tenant ends too, and with it the connection.
      if (expectedFailure(error)?.code === ErrorCode.NOT_FOUND && isOwn) return;
      // While the database is away nothing is known; the next message finds out.
      if (expectedFailure(error)?.status !== 503) source.close(error as Error);
    }
  }

  function shared(event: object, key: string, resolve: () => Promise<Resolved>): Promise<Resolved> {
    const ofEvent = resolved.get(event) ?? new Map<string, Promise<Resolved>>();
    resolved.set(event, ofEvent);
    let result = ofEvent.get(key);
    if (!result) {
      result = resolve();
      ofEvent.set(key, result);
    }
    return result;
  }

  /** What the result of an event depends on, apart from the event. */
  function shareKey(
    { principal, budget }: EnforcedContext,
    { document, operationName }: Args,
    variablesJson: string,
  ): string {
    const documentId = documentIds.get(document) ?? ++documentCount;
    documentIds.set(document, documentId);
    return JSON.stringify([documentId, principal?.kind, budget.maxBytes, operationName, variablesJson]);
  }

  async function resolveMessage(event: object, context: EnforcedContext, args: Args): Promise<Resolved> {
    const own = (context as MessageContext).forMessage();
    const { data, errors = [] } = await execute({ ...args, schema, rootValue: event, contextValue: own });
    const formatted = errors.map((error) => formatError(error.toJSON(), error));
    const result = await boundResult(
      { ...(formatted.length > 0 && { errors: formatted }), data: data ?? null },
      own.budget,
    );
    const message = { result, json: stringifyResult(result) };
    // The next one would be as large, and as much work for nothing.
    if (result.errors?.[0]?.extensions?.code === ErrorCode.RESPONSE_TOO_LARGE && !result.data)
      return { message, failure: responseTooLarge(own.budget.maxBytes) };
    const isUnavailable = errors.some((error) => expectedFailure(error)?.status === 503);
    return { message, failure: isUnavailable ? serviceUnavailable(NO_DATABASE) : null };
  }

  /** A message waits its turn like a query of the same size. */
  async function resolveInTurn(
    event: object,
    { context, source, work, enterGate }: AcceptedSubscription,
    args: Args,
  ): Promise<Resolved> {
    const resolve = () => resolveMessage(event, context, args);
    if (!enterGate) return messageGate.run(source.tenantId, work, resolve);
    return largeMessageGate.run(source.tenantId, 1, async () => {
      const end = await enterGate();
      try {
        return await resolve();
      } finally {
        end();
      }
    });
  }

  function open(
    accepted: AcceptedSubscription,
    { operationName, variables }: LiveRequest,
    variablesJson: string,
    whenClosed: () => void,
  ): LiveStream {
    const { context, document, source, cost } = accepted;
    const args = { document, operationName: operationName ?? null, variableValues: variables ?? null };
    const stream: OpenStream = { isOwn: context.principal?.kind === 'tenant', source, cost };
    const { tenantId } = source;
    const ofTenant = openStreams.get(tenantId) ?? new Set();
    openStreams.set(tenantId, ofTenant.add(stream));
    const key = shareKey(context, args, variablesJson);
    let lastJson: string | null = null;
    let isClosed = false;

    function close(): void {
      if (isClosed) return;
      isClosed = true;
      ofTenant.delete(stream);
      if (ofTenant.size === 0 && openStreams.get(tenantId) === ofTenant) openStreams.delete(tenantId);
      source.close();
      whenClosed();
    }

    async function nextMessage(): Promise<IteratorResult<LiveMessage>> {
      for (;;) {
        const { done, value } = await source.next();
        if (done) return { done: true, value: undefined };
        // A contract or a grace period may have ended by itself.
        const error = cost && (await limits.standing(cost, tenantId));
        if (error) throw error;
        const event = value as object;
        const { message, failure } = await shared(event, key, () => resolveInTurn(event, accepted, args));
        if (failure) throw failure;
        // A state that was written again unchanged is no news.
        if (source.isState && message.json === lastJson) continue;
        if (source.isState) lastJson = message.json;
        return { done: false, value: message };
      }
    }

    return {
      async next() {
        try {
          const result = await nextMessage();
          if (result.done) close();
          return result;
        } catch (error) {
          close();
          throw error;
        }
      },
      async return() {
        close();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  return {
    async run(request, received, client) {
      let release = () => {};
      let variablesJson = '';
      let isGone = false;
      let stream: LiveStream | null = null;
      const live: LiveContext = {
        accepted: null,
        afterStreams: client.afterStreams,
        async reserve() {
          variablesJson = jsonOf(request.variables);
          release = await client.openStream(request.query.length + variablesJson.length, () => {
            isGone = true;
            void stream?.return();
          });
        },
        overflowed: () => client.end(SLOW_READER),
      };
      const context = createContext(received, live);
      const { query, operationName, variables, extensions } = request;
      try {
        const response = await apollo.executeOperation(
          {
            query,
            ...(operationName != null && { operationName }),
            ...(variables != null && { variables }),
            ...(extensions != null && { extensions }),
          },
          { contextValue: context },
        );
        const { accepted } = live;
        const isAccepted = response.body.kind === 'single' && !response.body.singleResult.errors;
        if (accepted && isAccepted && !isGone) {
          stream = open(accepted, request, variablesJson, release);
          return { response, stream };
        }
        accepted?.source.close();
        release();
        return { response, stream: null };
      } catch (error) {
        live.accepted?.source.close();
        release();
        throw error;
      }
    },
  };
}

/** @throws BAD_USER_INPUT */
function jsonOf(variables: LiveRequest['variables']): string {
  try {
    return JSON.stringify(variables ?? {});
  } catch {
    throw badInput('variables', 'are nested too deeply');
  }
}

const TOO_MANY_MESSAGES = 'Too many messages are under way; connect and read again';
const NO_DATABASE = 'The database does not answer; connect and read again';
