import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import {
  BillingError,
  ErrorCode,
  rateLimited,
  serviceUnavailable,
  unauthenticated,
} from '../../common/errors.js';
import { clientNetwork } from '../../common/network.js';
import type { LiveConfig } from '../../config/config.js';
import type { Callers, Credential, Identified } from '../accounts/callers.js';
import type { Principal } from '../accounts/principal.js';
import type { TenantDirectory } from '../accounts/tenantDirectory.js';
import type { Changes } from '../infrastructure/changeStreams.js';
import type { LiveEnd, Metrics } from '../infrastructure/metrics.js';

export type Transport = 'websocket' | 'sse';

/** Why the server ends a client's streams. */
export interface Ending {
  reason: LiveEnd;
  /** What the client gets to see. */
  error: BillingError;
}

/** An open connection for live updates. */
export interface LiveClient {
  /** The client has sent its credential, which is checked now. Until then a newer client may take its place. */
  introduced(): void;
  /**
   * Says who the client is. From then on its streams end within a second when its credential does.
   * @throws RATE_LIMITED if the tenant has too many connections
   */
  identify(credential: Credential, caller: Identified): void;
  readonly principal: Principal | null;
  /**
   * @param characters of its document and variables, which stay in memory
   * @param end ends the stream; called if the connection closes before it
   * @returns a function that ends the stream's share
   * @throws RATE_LIMITED
   */
  openStream(characters: number, end: () => void): () => void;
  /** A message was handed over for sending. */
  sent(): void;
  /** The connection is closed. */
  closed(reason: LiveEnd): void;
}

export interface LiveClients {
  /**
   * A client over a WebSocket is a stranger until it has sent its credential. If there is no room, the oldest stranger
   * gives way.
   * @param end closes the connection; may be called several times
   * @throws RATE_LIMITED if there are too many connections
   */
  connect(transport: Transport, address: string, end: (ending: Ending) => void): LiveClient;
  /** Ends all streams, with an error after which clients connect again. */
  endAll(ending: Ending): void;
  counts(): Readonly<Record<Transport, number>>;
  start(): void;
  stop(): void;
}

export const SLOW_READER: Ending = {
  reason: 'slow_reader',
  error: serviceUnavailable('The client reads its messages too slowly; connect and read again', 1, {
    reason: 'SLOW_READER',
  }),
};

export const STOPPING: Ending = {
  reason: 'stopping',
  error: serviceUnavailable('The server is stopping; connect and read again', 1),
};

/** Streams on one connection, those included that are just being opened. */
export const MAX_STREAMS_PER_CONNECTION = 50;
/** A stream with a longer document counts several times, because a document takes about 50 bytes for each character. */
const STREAM_CHARACTERS = 500;
/** The part of all connections that strangers may take. */
const STRANGERS_SHARE = 0.5;
/** How often expiries are looked for. */
const EXPIRY_CHECK_MS = 250;
/** What no change event reports, such as a key that an identity provider withdraws, is found within this time. */
const RECHECK_MS = 60_000;
/** Credentials that are checked at once. */
const CHECKS_AT_ONCE = 20;
const RETRY_MS = 500;

interface Open {
  readonly transport: Transport;
  readonly network: string;
  readonly end: (ending: Ending) => void;
  /** Functions that end them, with their shares. */
  readonly streams: Set<() => void>;
  /** null until the client has said who it is. */
  known: Known | null;
  isClosed: boolean;
}

interface Known {
  readonly credential: Credential;
  caller: Identified;
  /** Whose share its connections and streams use. */
  readonly owner: string;
  checkAtMs: number;
}

const GAVE_WAY: Ending = {
  reason: 'stranger',
  error: unauthenticated('The connection gave way to newer ones, because it had not said yet who it is'),
};

/** Counts values, and forgets those that are 0. */
function createCounts() {
  const counts = new Map<string, number>();
  return {
    of: (name: string) => counts.get(name) ?? 0,
    add(name: string, by: number) {
      const count = (counts.get(name) ?? 0) + by;
      if (count > 0) counts.set(name, count);
      else counts.delete(name);
    },
  };
}

/** Bounds the clients of live updates, and checks their credentials for as long as they are connected. */
export function createLiveClients(deps: {
  bounds: LiveConfig;
  callers: Callers;
  changes: Pick<Changes, 'listen'>;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  tenantDirectory: Pick<TenantDirectory, 'find'>;
}): LiveClients {
  const { bounds, callers, changes, clock, log, metrics, tenantDirectory } = deps;
  const all = new Set<Open>();
  const counts: Record<Transport, number> = { websocket: 0, sse: 0 };
  const perNetwork = createCounts();
  const perOwner = createCounts();
  const streamsPerOwner = createCounts();
  /** Connections without a credential, oldest first. */
  const strangers = new Set<Open>();
  const strangersOf = new Map<string, Set<Open>>();
  const maxStrangers = Math.ceil(bounds.connections * STRANGERS_SHARE);
  let streams = 0;
  const toCheck = new Set<Open>();
  let running = 0;
  let timer: NodeJS.Timeout | undefined;

  const tooMany = (what: string, limit: number): BillingError =>
    rateLimited(
      `Rate limit exceeded (${limit} ${what}). Close one that is not needed, or try again later`,
      { limit, window: 'concurrent', remaining: 0, resetsAt: new Date(clock.now() + 1_000) },
      1,
    );

  function rejected(error: BillingError): BillingError {
    metrics.liveEnded('bounds');
    return error;
  }

  function admit(network: string): void {
    const { connections, connectionsPerAddress } = bounds;
    if (perNetwork.of(network) >= connectionsPerAddress && !giveWay(strangersOf.get(network)))
      throw rejected(tooMany('live connections of one address', connectionsPerAddress));
    if (all.size < connections && strangers.size < maxStrangers) return;
    // Those of the same address come first, so that an address with many pushes out its own.
    if (!giveWay(strangersOf.get(network)) && !giveWay(strangers))
      throw rejected(tooMany('live connections in all', connections));
  }

  /** Closes the oldest stranger. @returns false if there is none */
  function giveWay([oldest]: Iterable<Open> = []): boolean {
    if (!oldest) return false;
    close(oldest, GAVE_WAY.reason);
    oldest.end(GAVE_WAY);
    return true;
  }

  function addStranger(open: Open): void {
    strangers.add(open);
    strangersOf.set(open.network, (strangersOf.get(open.network) ?? new Set()).add(open));
  }

  function removeStranger(open: Open): void {
    strangers.delete(open);
    const ofNetwork = strangersOf.get(open.network);
    ofNetwork?.delete(open);
    if (ofNetwork?.size === 0) strangersOf.delete(open.network);
  }

  function close(open: Open, reason: LiveEnd): void {
    if (open.isClosed) return;
    open.isClosed = true;
    all.delete(open);
    toCheck.delete(open);
    counts[open.transport]--;
    perNetwork.add(open.network, -1);
    if (open.known) perOwner.add(open.known.owner, -1);
    removeStranger(open);
    // Whatever the transport forgot ends too.
    for (const endStream of [...open.streams]) endStream();
    metrics.liveEnded(reason);
  }

  /** Checks credentials again, some at a time. */
  function check(opens: Iterable<Open>): void {
    for (const open of opens) toCheck.add(open);
    while (running < CHECKS_AT_ONCE) {
      const [next] = toCheck;
      if (!next) return;
      toCheck.delete(next);
      running++;
      void recheck(next).finally(() => {
        running--;
        check([]);
      });
    }
  }

  async function recheck(open: Open): Promise<void> {
    const { known } = open;
    if (!known || open.isClosed) return;
    // If the database is away, nothing is known, and the check is repeated.
    known.checkAtMs = clock.now() + RETRY_MS;
    try {
      // Without an address, because many clients of a key that was revoked are not someone who guesses.
      const caller = await callers.describe(known.credential, null);
      const { principal } = caller;
      if (
        principal.kind === 'tenant' &&
        (await tenantDirectory.find({ tenantId: principal.tenantId })) === null
      )
        throw unauthenticated('The tenant of the credential does not exist any more');
      known.caller = caller;
      known.checkAtMs = checkTime(caller);
    } catch (error) {
      const isRejected = error instanceof BillingError && error.code !== ErrorCode.SERVICE_UNAVAILABLE;
      if (!isRejected) return log.debug({ err: error }, 'realtime.credential_not_checked');
      const ended = error.code === ErrorCode.UNAUTHENTICATED ? error : unauthenticated(NO_LONGER);
      open.end({ reason: 'credential', error: ended });
    }
  }

  const checkTime = ({ endsAtMs }: Identified): number => Math.min(clock.now() + RECHECK_MS, endsAtMs);

  function checkDue(): void {
    const now = clock.now();
    check([...all].filter(({ known }) => known && known.checkAtMs <= now));
  }

  const isAffectedBy = (keyId: string) => (open: Open) => {
    const { known } = open;
    if (!known) return false;
    const { principal, dependsOnOthers } = known.caller;
    return dependsOnOthers || principal.keyId === keyId;
  };

  changes.listen({
    keyChanged(keyId, isNew) {
      if (!isNew) check([...all].filter(isAffectedBy(keyId)));
    },
    tenantChanged(tenantId) {
      check(
        [...all].filter(({ known }) => {
          const principal = known?.caller.principal;
          return principal?.kind === 'tenant' && principal.tenantId === tenantId;
        }),
      );
    },
    sessionChanged(sessionId) {
      check([...all].filter(({ known }) => known?.caller.sessionId === sessionId));
    },
    anythingMayHaveChanged() {
      check(all);
    },
  });

  return {
    connect(transport, address, endConnection) {
      const network = clientNetwork(address);
      admit(network);
      const open: Open = {
        transport,
        network,
        end: endConnection,
        streams: new Set(),
        known: null,
        isClosed: false,
      };
      all.add(open);
      counts[transport]++;
      perNetwork.add(network, 1);
      if (transport === 'websocket') addStranger(open);
      return {
        introduced: () => removeStranger(open),
        identify(credential, caller) {
          if (open.isClosed || open.known) return;
          const owner = ownerOf(caller.principal);
          const limit = bounds.connectionsPerTenant;
          if (perOwner.of(owner) >= limit) throw tooMany('live connections of one tenant', limit);
          removeStranger(open);
          perOwner.add(owner, 1);
          open.known = { credential, caller, owner, checkAtMs: checkTime(caller) };
        },
        get principal() {
          return open.known?.caller.principal ?? null;
        },
        openStream(characters, endStream) {
          if (open.isClosed) {
            endStream();
            return () => undefined;
          }
          const owner = open.known?.owner ?? `address ${network}`;
          if (open.streams.size >= MAX_STREAMS_PER_CONNECTION)
            throw tooMany('streams of one connection', MAX_STREAMS_PER_CONNECTION);
          const share = Math.max(1, Math.ceil(characters / STREAM_CHARACTERS));
          if (streamsPerOwner.of(owner) + share > bounds.streamsPerTenant)
            throw tooMany(STREAMS_OF_TENANT, bounds.streamsPerTenant);
          if (streams + share > bounds.streams)
            throw serviceUnavailable('Too many streams are open; try again later');
          streams += share;
          streamsPerOwner.add(owner, share);
          function release(): void {
            if (!open.streams.delete(endAndRelease)) return;
            streams -= share;
            streamsPerOwner.add(owner, -share);
          }
          function endAndRelease(): void {
            release();
            endStream();
          }
          open.streams.add(endAndRelease);
          return release;
        },
        sent: () => metrics.liveMessageSent(transport),
        closed: (reason) => close(open, reason),
      };
    },
    endAll(ending) {
      for (const open of all) open.end(ending);
    },
    counts: () => counts,
    start() {
      timer = setInterval(checkDue, EXPIRY_CHECK_MS).unref();
    },
    stop() {
      clearInterval(timer);
    },
  };
}

const STREAMS_OF_TENANT = `streams of one tenant, each once for every ${STREAM_CHARACTERS} characters of its document and variables`;
const NO_LONGER = 'The credential does not work any more';

const ownerOf = (principal: Principal): string =>
  principal.kind === 'tenant' ? `tenant ${principal.tenantId}` : 'operators';
