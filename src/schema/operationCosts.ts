import type { WorkExtension } from '@continuum-billing/limits/core';
import { MapperKind, mapSchema } from '@graphql-tools/utils';
import {
  type ConstDirectiveNode,
  type FieldDefinitionNode,
  type GraphQLSchema,
  Kind,
  type ObjectTypeDefinitionNode,
  parse,
} from 'graphql';
import { DEFAULT_REPAIRS, MAX_REPAIRS } from '../services/billing/reconcile/reconcileRuns.js';
import { historyDays, historyItems, sizeOfHours } from '../services/usage/usage.js';
import { DEFAULT_MATCHES } from './memory.js';
import { DEFAULT_PAGE, MAX_PAGE } from './pagination.js';
import { DEFAULT_ENDPOINTS, MAX_ENDPOINTS } from './usage.js';

/** The work of resolving a field, if it is more than returning a value that has already been read. */
interface DeclaredCost {
  /** Units of work. One unit is roughly the work of resolving and returning one small field. Default: 1. */
  weight?: number;
  /** Number of items in a list whose length does not follow from its arguments. */
  assumedSize?: number;
  /** The argument `first` is the number of items in the list. */
  isPage?: true;
  /** A Relay connection: the argument `first` is the number of edges. */
  isConnection?: true;
  /** For work that depends on several arguments, which the directives cannot express. */
  work?: WorkExtension;
}

/** An indexed read from MongoDB. */
const READ = 50;
const WRITE = 100;
/** A request to Stripe takes 100 ms to 1 s, and Stripe accepts 25 per second for one endpoint. */
const STRIPE_REQUEST = 5_000;
/** Hashing a key takes about 20 ms of processor time. */
const KEY_HASH = 3_000;
/** The document of a day has a count for each endpoint and hour. */
const DAY_OF_HISTORY = 20;
/** A vector search reads and compares all embeddings of a tenant. */
const SCAN = 60_000;
/** A search of a text index, or a scan of a list without an index. */
const SEARCH = 20_000;
/** An instant is formatted as text. */
const INSTANT = 3;

/** One result for each item of the list argument; the field is already priced per item. */
const ONE_EACH: Pick<DeclaredCost, 'assumedSize' | 'work'> = {
  assumedSize: MAX_PAGE,
  work: { itemsOf: () => 1 },
};
const connection = (weight = READ): DeclaredCost => ({ weight, isConnection: true });

function matchesOf({ input }: Record<string, unknown>): number {
  const { first } = input as { first?: number | null };
  return Math.min(Math.max(first ?? DEFAULT_MATCHES, 0), MAX_PAGE);
}

function searchWeight({ input }: Record<string, unknown>): number {
  return (input as { embedding?: unknown }).embedding ? SCAN : SEARCH;
}

/**
 * The cost of each field that does more than return a value which has already been read. The schema publishes it as
 * `@cost` and `@listSize`, and the server uses it to bound every operation (`MAX_OPERATION_COST`).
 */
const COSTS: Readonly<Record<string, DeclaredCost>> = {
  'Query.alerts': connection(),
  'Query.apiKeys': { weight: READ, assumedSize: 50 },
  'AuditEntry.before': { weight: 10 },
  'AuditEntry.after': { weight: 10 },
  'Query.auditLog': connection(10 * READ),
  'Query.compareWithStripe': { weight: 2 * STRIPE_REQUEST },
  'Query.entitlement': { weight: READ },
  'Query.entitlements': { weight: 3 * READ, assumedSize: 50 },
  'Query.explainTier': { weight: 30 },
  'Query.invoices': connection(STRIPE_REQUEST),
  'Query.memories': connection(),
  'Query.memory': { weight: READ },
  'Query.overage': { weight: READ },
  'Query.paymentMethods': { weight: 2 * STRIPE_REQUEST, assumedSize: 100 },
  'Query.previewCancellation': { weight: STRIPE_REQUEST },
  'Query.previewTierChange': { weight: 2 * STRIPE_REQUEST },
  'Query.reconcileRun': { weight: READ },
  'Query.reconcileRuns': connection(),
  'Query.searchMemories': {
    weight: SCAN,
    assumedSize: MAX_PAGE,
    work: { weightOf: searchWeight, itemsOf: matchesOf },
  },
  'Query.storage': { weight: READ },
  'Query.subscription': { weight: READ },
  'Query.tenant': { weight: READ },
  'Query.tenants': connection(SEARCH),
  'Query.tiers': { assumedSize: 10 },
  'Query.usage': { weight: READ },
  'Query.usageHistory': {
    weight: 400 * DAY_OF_HISTORY,
    assumedSize: 400,
    work: {
      weightOf: (args) => READ + historyDays(args) * DAY_OF_HISTORY,
      itemsOf: historyItems,
      sizedOf: sizeOfHours,
    },
  },
  'Query.operatorKeys': { weight: READ, assumedSize: 20 },
  'Query.usageReports': connection(),
  'Query.webhookDeliveries': connection(),
  'Query.webhookDelivery': { weight: READ },
  'Query.webhookEndpoints': { weight: READ, assumedSize: 20 },
  'Query.webhookEvent': { weight: READ },
  'Query.webhookEvents': connection(),
  'Query.webhookRefusals': { assumedSize: 10 },
  'Query.serverInstances': { assumedSize: 10 },
  'Query.overview': { weight: READ },
  'Query.overviewHistory': {
    weight: 400,
    assumedSize: 400,
    work: { itemsOf: ({ days }) => Math.min(Number(days ?? 90), 400) },
  },
  'Query.catalogueVersions': { weight: READ, assumedSize: 20 },
  'Query.rejections': connection(),
  'Overview.revenue': { weight: 2 * READ },
  'Overview.tenants': { weight: 4 * READ },
  'Overview.calls': { weight: 2 * READ },
  'Overview.rejections': { weight: 2 * READ },
  'Overview.webhookEvents': { weight: 5 * READ },
  'Overview.usageReports': { weight: 5 * READ },
  'Overview.deliveries': { weight: 5 * READ },
  'Overview.health': { weight: 6 * READ },
  'TenantsOverview.pastDueTenants': { weight: 2 * READ, assumedSize: 10 },
  'TenantsOverview.nearLimitTenants': { weight: READ, assumedSize: 10 },
  'TenantsOverview.overLimitTenants': { weight: READ, assumedSize: 10 },
  'CallsOverview.byHour': { assumedSize: 24 },
  'Tenant.monthlyRevenue': { weight: 10 },
  'Tenant.monthlyRevenueCents': { weight: 10 },

  'Mutation.cancelSubscription': { weight: 3 * STRIPE_REQUEST },
  'Mutation.changeTier': { weight: 4 * STRIPE_REQUEST },
  'Mutation.consume': { weight: WRITE },
  'Mutation.createApiKey': { weight: KEY_HASH },
  'Mutation.createBillingPageSession': { weight: WRITE },
  'Mutation.createCheckoutSession': { weight: 3 * STRIPE_REQUEST },
  'Mutation.createEnterpriseSubscription': { weight: 4 * STRIPE_REQUEST },
  'Mutation.createOperatorKey': { weight: KEY_HASH },
  'Mutation.createPortalSession': { weight: 2 * STRIPE_REQUEST },
  'Mutation.createTenant': { weight: KEY_HASH },
  'Mutation.createTenantToken': { weight: WRITE },
  'Mutation.createWebhookEndpoint': { weight: WRITE },
  'Mutation.decideOperations': { weight: WRITE, ...ONE_EACH },
  'Mutation.deleteMemory': { weight: WRITE },
  'Mutation.deleteWebhookEndpoint': { weight: WRITE },
  'Mutation.endOperations': { weight: WRITE },
  'Mutation.freeStorage': { weight: WRITE },
  'Mutation.extendTrial': { weight: 3 * STRIPE_REQUEST },
  'Mutation.pausePayments': { weight: 4 * STRIPE_REQUEST },
  'Mutation.resumePayments': { weight: 2 * STRIPE_REQUEST },
  'Mutation.recordUsage': { weight: 20, ...ONE_EACH },
  'Mutation.repairTenant': { weight: 4 * STRIPE_REQUEST },
  'Mutation.replayWebhookEvent': { weight: STRIPE_REQUEST },
  'Mutation.reportUsage': { weight: STRIPE_REQUEST },
  'Mutation.resendWebhookDelivery': { weight: WRITE },
  'Mutation.resumeSubscription': { weight: 3 * STRIPE_REQUEST },
  'Mutation.revokeApiKey': { weight: WRITE },
  'Mutation.revokeOperatorKey': { weight: WRITE },
  'Mutation.rotateApiKey': { weight: KEY_HASH },
  'Mutation.rotateOperatorKey': { weight: KEY_HASH },
  'Mutation.setOverage': { weight: 3 * STRIPE_REQUEST },
  'Mutation.setStored': { weight: WRITE },
  'Mutation.setTenantLimits': { weight: WRITE },
  'Mutation.shareMemory': { weight: WRITE },
  'Mutation.startReconcile': { weight: WRITE },
  'Mutation.storeMemories': { weight: WRITE, ...ONE_EACH },
  'Mutation.storeMemory': { weight: WRITE },

  // Each message is bounded by itself. At the start, a stream costs the reads that it takes to open.
  'Realtime.usageChanged': { weight: READ },
  'Realtime.subscriptionChanged': { weight: READ },
  'Realtime.alertRaised': { weight: READ },
  'Realtime.memoryChanged': { weight: READ },

  'MemoryChange.memory': { weight: READ },
  'Memory.content': { weight: 10 },
  'Memory.embedding': { weight: 50 },
  'Memory.metadata': { weight: 10 },
  'OperationDecision.holds': { assumedSize: 2 },
  'ReconcileRun.compared': { assumedSize: 6 },
  'ReconcileRun.repairs': {
    weight: READ,
    isPage: true,
    assumedSize: DEFAULT_REPAIRS,
    work: { maxItems: MAX_REPAIRS },
  },
  'StorageUsage.resources': { assumedSize: 5 },
  'Tenant.storage': { weight: 10 },
  'Tenant.subscription': { weight: 10 },
  'Tenant.tier': { weight: 10 },
  'Tenant.usage': { weight: 10 },
  'TierLimits.stored': { assumedSize: 5 },
  'WebhookEndpoint.waiting': { weight: 2 * READ },
  'WebhookEvent.payload': { weight: READ },
  'WebhookEvent.tenantId': { weight: 10 },
  'Usage.from': { weight: INSTANT },
  'Usage.to': { weight: INSTANT },
  'Usage.resetsAt': { weight: INSTANT },
  'Usage.byEndpoint': { isPage: true, assumedSize: DEFAULT_ENDPOINTS, work: { maxItems: MAX_ENDPOINTS } },
};

/**
 * Adds the directives `@cost` and `@listSize` to the fields of the schema.
 * @throws an error that lists the costs whose field does not exist
 */
export function withOperationCosts(schema: GraphQLSchema): GraphQLSchema {
  const unused = new Set(Object.keys(COSTS));
  const priced = mapSchema(schema, {
    [MapperKind.OBJECT_FIELD](config, name, type) {
      const coordinate = `${type}.${name}`;
      const cost = COSTS[coordinate];
      if (!cost) return config;
      unused.delete(coordinate);
      const astNode = config.astNode ?? definitionOf(name);
      const directives = [...(astNode.directives ?? []), ...directivesOf(cost)];
      const work = cost.isConnection ? { maxItems: MAX_PAGE, ...cost.work } : cost.work;
      return {
        ...config,
        astNode: { ...astNode, directives },
        extensions: { ...config.extensions, ...(work && { work }) },
      };
    },
  });
  if (unused.size > 0)
    throw new Error(
      `COSTS has fields that the schema lacks: ${[...unused].join(', ')}. Remove or rename them`,
    );
  return priced;
}

function directivesOf({ weight, assumedSize, isPage, isConnection }: DeclaredCost): ConstDirectiveNode[] {
  const cost = weight === undefined ? '' : `@cost(weight: ${weight})`;
  const size = isConnection
    ? `@listSize(assumedSize: ${DEFAULT_PAGE}, slicingArguments: ["first"], sizedFields: ["edges"], requireOneSlicingArgument: false)`
    : '';
  const sliced = isPage ? ', slicingArguments: ["first"], requireOneSlicingArgument: false' : '';
  const list = assumedSize === undefined ? '' : `@listSize(assumedSize: ${assumedSize}${sliced})`;
  const document = parse(`type T ${cost} ${size} ${list}`, { noLocation: true });
  return [...((document.definitions[0] as ObjectTypeDefinitionNode).directives ?? [])];
}

/** A definition like the one that type-graphql makes for fields with a directive. */
const definitionOf = (name: string): FieldDefinitionNode => ({
  kind: Kind.FIELD_DEFINITION,
  name: { kind: Kind.NAME, value: name },
  type: { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: '' } },
});
