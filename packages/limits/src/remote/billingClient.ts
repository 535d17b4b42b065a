import { BillingError, type ErrorCode } from '../errors.js';
import { identityOf } from '../limits.js';
import { createHttpConnection } from './httpConnection.js';
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

const DECIDE = /* GraphQL */ `
  mutation Decide($operations: [OperationInput!]!) {
    decideOperations(operations: $operations) {
      allowed
      error
      tenantId
      tier
      concurrentRequests
      chargedAt
      holds {
        rootField
        id
      }
      receipt
      headers
    }
  }
`;
const END = /* GraphQL */ `
  mutation End($operations: [EndedOperationInput!]!) {
    endOperations(operations: $operations)
  }
`;
const FREE = /* GraphQL */ `
  mutation Free($input: FreeStorageInput!) {
    freeStorage(input: $input)
  }
`;
const CATALOGUE =
  '{ __type(name: "Feature") { enumValues { name } } tiers { limits { stored { resource } } } brand { upgradeUrl } }';
/** Shows whether the key may decide. Its empty API key is rejected without reading the database. */
const NOTHING =
  'mutation { decideOperations(operations: [{ apiKey: "", scope: READ, charges: [], features: [], fieldLimits: [], stores: [] }]) { allowed } }';

interface GraphQLAnswer<T> {
  data?: T | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

interface CatalogueAnswer {
  __type: { enumValues: { name: string }[] };
  tiers: { limits: { stored: { resource: string }[] } }[];
  brand: { upgradeUrl: string };
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
  const endpoint = new URL('graphql', url);
  const connection = createHttpConnection(endpoint, { headers: { 'x-api-key': serviceKey }, timeoutMs });

  async function ask<T>(query: string, variables: object): Promise<T> {
    const { status, body } = await connection.post(JSON.stringify({ query, variables }));
    const answer = parse(body) as GraphQLAnswer<T> | null;
    if (!answer) throw new ServerRejection(status, null, `what is at ${endpoint} answers no GraphQL`);
    const { data, errors } = answer;
    if (data && !errors) return data;
    const [{ message, extensions } = { message: 'no data' }] = errors ?? [];
    throw new ServerRejection(status, extensions?.code ?? null, message);
  }

  return {
    async catalogue() {
      await ask(NOTHING, {});
      const { __type, tiers, brand } = await ask<CatalogueAnswer>(CATALOGUE, {});
      return {
        features: new Set(__type.enumValues.map(({ name }) => name)),
        resources: new Set(tiers.flatMap(({ limits }) => limits.stored.map(({ resource }) => resource))),
        upgradeUrl: brand.upgradeUrl,
      };
    },
    async decide(operations) {
      const { decideOperations } = await ask<{ decideOperations: DecisionAnswer[] }>(DECIDE, {
        operations: operations.map(operationInput),
      });
      if (decideOperations.length !== operations.length)
        throw new Error(`The billing server decided ${decideOperations.length} of ${operations.length}`);
      return decideOperations.map(decisionOf);
    },
    async free(tenantId, amounts) {
      await ask(FREE, { input: { tenantId, amounts: amountInputs(amounts) } });
    },
    async end(operations) {
      await ask(END, { operations: operations.map(endedInput) });
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
