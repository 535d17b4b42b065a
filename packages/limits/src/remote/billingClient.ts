import { BillingError, type ErrorCode } from '../errors.js';
import { identityOf } from '../limits.js';
import { createHttpConnection, type HttpAnswer } from './httpConnection.js';
import type { EndedOperation, RemoteDecision, RemoteOperation } from './wire.js';

/** The names that a schema's directives may use, and what rejections of this process say. */
interface Catalogue {
  features: Set<string>;
  resources: Set<string>;
  /** Where a person upgrades. */
  upgradeUrl: string;
}

/**
 * The part of the billing server's API that limits need. Each method throws a ServerRejection, or another Error if the
 * server does not respond.
 */
export interface BillingClient {
  catalogue(): Promise<Catalogue>;
  decide(operations: readonly RemoteOperation[]): Promise<RemoteDecision[]>;
  end(operations: readonly EndedOperation[]): Promise<void>;
  free(tenantId: string, amounts: Readonly<Record<string, number>>): Promise<void>;
}

/** The server responded, but did not do what was asked. */
export class ServerRejection extends Error {
  constructor(
    readonly status: number,
    readonly code: string | null,
    message: string,
  ) {
    super(`The billing server answered ${status}: ${message}`);
  }
}

const FREE = /* GraphQL */ `
  mutation Free($input: FreeStorageInput!) {
    freeStorage(input: $input)
  }
`;
interface GraphQLAnswer {
  data?: object | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

interface RestAnswer {
  error?: { code?: string; message: string };
}

interface NamesAnswer {
  features: string[];
  resources: string[];
  upgradeUrl: string;
}

interface DecisionAnswer {
  allowed: boolean;
  error: { code: ErrorCode; message: string; details: object; headers: Record<string, string> } | null;
  tenantId: string;
  tier: string;
  concurrentRequests: number;
  chargedAt: string | null;
  holds: { rootField: string; id: string }[];
  receipt: string | null;
  headers: Record<string, string>;
}

/**
 * @param url the address of the billing server with a slash at its end, e.g. `http://127.0.0.1:4000/`
 * @param serviceKey a key with the scope ENFORCE
 * @param timeoutMs the most that one request may take
 */
export function createBillingClient(options: {
  url: string;
  serviceKey: string;
  timeoutMs: number;
}): BillingClient {
  const { url, serviceKey, timeoutMs } = options;
  const connectionTo = (path: string) =>
    createHttpConnection(new URL(path, url), { headers: { 'x-api-key': serviceKey }, timeoutMs });
  const deciding = connectionTo('v1/decisions');
  const ending = connectionTo('v1/decisions/end');
  const graphql = connectionTo('graphql');

  /** @throws ServerRejection unless the status is 200 */
  function read<T>({ status, body }: HttpAnswer): T {
    const answer = parse(body) as (T & RestAnswer) | null;
    if (answer && status === 200) return answer;
    const { code = null, message = `what is at ${url} is no billing server` } = answer?.error ?? {};
    throw new ServerRejection(status, code, message);
  }

  return {
    async catalogue() {
      const { features, resources, upgradeUrl } = read<NamesAnswer>(await deciding.get());
      return { features: new Set(features), resources: new Set(resources), upgradeUrl };
    },
    async decide(operations) {
      const body = JSON.stringify({ operations: operations.map(operationInput) });
      const { decisions } = read<{ decisions: DecisionAnswer[] }>(await deciding.post(body));
      if (decisions.length !== operations.length)
        throw new Error(`The billing server decided ${decisions.length} of ${operations.length}`);
      return decisions.map(decisionOf);
    },
    async end(operations) {
      read(await ending.post(JSON.stringify({ operations: operations.map(endedInput) })));
    },
    async free(tenantId, amounts) {
      const variables = { input: { tenantId, amounts: amountInputs(amounts) } };
      const { status, body } = await graphql.post(JSON.stringify({ query: FREE, variables }));
      const answer = parse(body) as GraphQLAnswer | null;
      if (!answer) throw new ServerRejection(status, null, `what is at ${url} is no billing server`);
      const { data, errors } = answer;
      if (data && !errors) return;
      const [{ message, extensions } = { message: 'no data' }] = errors ?? [];
      throw new ServerRejection(status, extensions?.code ?? null, message);
    },
  };
}

/** @returns null for text that is not a JSON object */
function parse(body: string): object | null {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' ? parsed : null;
  } catch {
    return null;
  }
}

const chargeInputs = (charges: RemoteOperation['cost']['charges']) =>
  charges.map(({ endpoint, calls }) => ({ endpoint, cost: calls }));

function operationInput({ address, scope, cost, ...identity }: RemoteOperation) {
  const [kind, text] = identityOf(identity);
  const { charges, features, fieldLimits, stores } = cost;
  return {
    [kind]: text,
    address,
    scope,
    charges: chargeInputs(charges),
    features,
    fieldLimits,
    stores: [...stores].map(([rootField, { amounts }]) => ({ rootField, amounts: amountInputs(amounts) })),
  };
}

const amountInputs = (amounts: Readonly<Record<string, number>>) =>
  Object.entries(amounts).map(([resource, amount]) => ({ resource, amount }));

const endedInput = ({ receipt, returned, committedIds, releasedIds }: EndedOperation) => ({
  receipt,
  unearned: chargeInputs(returned),
  keptHolds: committedIds,
  releasedHolds: releasedIds,
});

function decisionOf(answer: DecisionAnswer): RemoteDecision {
  const headers = new Map(Object.entries(answer.headers));
  if (answer.error) {
    const { code, message, details, headers: ownHeaders } = answer.error;
    return { allowed: false, error: new BillingError(code, message, { ...details }, ownHeaders), headers };
  }
  const { tenantId, tier, concurrentRequests, chargedAt, holds, receipt } = answer;
  return {
    allowed: true,
    tenantId,
    tier,
    concurrentRequests,
    chargedAtMs: chargedAt === null ? null : Date.parse(chargedAt),
    reservationIds: new Map(holds.map(({ rootField, id }) => [rootField, id])),
    receipt,
    headers,
  };
}
