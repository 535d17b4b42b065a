import * as documents from './generated/operations.js';
import { randomId } from './randomId.js';
import type { TypedDocument } from './typedDocument.js';

/** Names a tenant. Operators must; a tenant's own key or token needs neither. */
export interface TenantArguments {
  tenantId?: string | null | undefined;
  /** Your own id of the tenant. */
  externalId?: string | null | undefined;
}

/** An operation with one root field. */
export interface ClientOperation<TData, TArguments> {
  document: TypedDocument<TData, never>;
  variablesOf(args: TArguments): object;
  isRepeatable(args: TArguments): boolean;
}

/** The arguments are the variables. Sending it again has the effect of sending it once. */
const plain = <D, V>(document: TypedDocument<D, V>): ClientOperation<D, V> => ({
  document: document as TypedDocument<D, never>,
  variablesOf: (args) => args as object,
  isRepeatable: () => true,
});

/** The arguments are those of `input`. */
const ofInput = <D, I>(document: TypedDocument<D, { input: I }>): ClientOperation<D, I> => ({
  document: document as TypedDocument<D, never>,
  variablesOf: (input) => ({ input }),
  isRepeatable: () => true,
});

/** The arguments are those of `input`, beside the tenant. */
const ofTenant = <D, V extends TenantArguments & { input?: object }>(
  document: TypedDocument<D, V>,
): ClientOperation<D, TenantArguments & NonNullable<V['input']>> => ({
  document: document as TypedDocument<D, never>,
  variablesOf: ({ tenantId, externalId, ...input }) => ({ tenantId, externalId, input }),
  isRepeatable: () => true,
});

/** Each call has an idempotency key, so that the server knows it again; with null it has none, and is not repeated. */
const keyed = <D, A extends { idempotencyKey?: string | null | undefined }>(
  operation: ClientOperation<D, A>,
): ClientOperation<D, A> => ({
  ...operation,
  variablesOf: ({ idempotencyKey = randomId(), ...args }) =>
    operation.variablesOf({ ...args, idempotencyKey } as A),
  isRepeatable: ({ idempotencyKey }) => idempotencyKey !== null,
});

/** Sending it again would do it again, unless the arguments prevent it. */
const once = <D, A>(
  operation: ClientOperation<D, A>,
  isRepeatable: (args: A) => boolean = () => false,
): ClientOperation<D, A> => ({ ...operation, isRepeatable });

/** Every operation of the client, by the name of its field. */
export const operations = {
  /** The tiers for sale, the smallest first. Needs no key. */
  tiers: plain(documents.TiersDocument),
  /** One tier. Needs no key. */
  tier: plain(documents.TierDocument),
  /** The product's name, logo and colour. Needs no key. */
  brand: plain(documents.BrandDocument),
  /** Whether the tenant has a feature now. */
  entitlement: plain(documents.EntitlementDocument),
  /** What the tenant may do and has: features, limits, what is stored, settings. */
  entitlements: plain(documents.EntitlementsDocument),

  /** Usage of the current minute, hour, day (the default) or month. */
  usage: plain(documents.UsageDocument),
  /** Usage by hour, day (the default) or month, oldest first. */
  usageHistory: plain(documents.UsageHistoryDocument),
  /** What is stored, and how much may be. */
  storage: plain(documents.StorageDocument),
  /** Alerts about limits, newest window first. */
  alerts: plain(documents.AlertsDocument),
  /** Paid calls beyond the daily quota. */
  overage: plain(documents.OverageDocument),
  /** Allows paid calls beyond the daily quota, up to a monthly cap. */
  setOverage: ofTenant(documents.SetOverageDocument),
  /** For services: how much of a resource the tenant has now. */
  setStored: ofInput(documents.SetStoredDocument),
  /** For services: releases the storage of what was deleted. Not sent again after a lost answer. */
  freeStorage: once(ofInput(documents.FreeStorageDocument)),

  /** Charges calls if the limits allow them. A reached limit is no error: `allowed` is false. */
  consume: keyed(ofInput(documents.ConsumeDocument)),
  /** Records up to 1000 events at once, each exactly once by its id. `meter` does it for you. */
  recordUsage: plain(documents.RecordUsageDocument),
  /** Reports usage to Stripe's meter. */
  reportUsage: keyed(ofTenant(documents.ReportUsageDocument)),

  /** The subscription; FREE and ACTIVE for a tenant that never paid. */
  subscription: plain(documents.SubscriptionDocument),
  /** A page where a person pays for a tier. */
  createCheckoutSession: ofTenant(documents.CreateCheckoutSessionDocument),
  /** A page where a person changes the card, cancels or resumes. */
  createPortalSession: ofTenant(documents.CreatePortalSessionDocument),
  /** A link to the tenant's billing page on the billing server. */
  createBillingPageSession: ofInput(documents.CreateBillingPageSessionDocument),
  /** What `changeTier` would do and cost. */
  previewTierChange: plain(documents.PreviewTierChangeDocument),
  /** Upgrades at once, downgrades at the end of the period. */
  changeTier: ofTenant(documents.ChangeTierDocument),
  /** What `setSeats` would do and cost. */
  previewSeats: plain(documents.PreviewSeatsDocument),
  /** Changes the number of paid seats, at once. */
  setSeats: plain(documents.SetSeatsDocument),
  /** What `cancelSubscription` would do. */
  previewCancellation: plain(documents.PreviewCancellationDocument),
  /** Cancels at the end of the period, or at once with `atPeriodEnd: false`. */
  cancelSubscription: ofTenant(documents.CancelSubscriptionDocument),
  /** Undoes a scheduled cancellation or change of tier, or resumes a paused subscription. */
  resumeSubscription: plain(documents.ResumeSubscriptionDocument),
  /** For operators: the tenant keeps its tier and pays nothing until a date. */
  pausePayments: ofInput(documents.PausePaymentsDocument),
  /** Ends a pause of payments. */
  resumePayments: plain(documents.ResumePaymentsDocument),
  /** For operators: the trial ends later. */
  extendTrial: ofInput(documents.ExtendTrialDocument),
  /** For operators: a contract, paid by invoice. Not sent again after a lost answer. */
  createEnterpriseSubscription: once(ofInput(documents.CreateEnterpriseSubscriptionDocument)),
  /** Invoices at Stripe, newest first. */
  invoices: plain(documents.InvoicesDocument),
  /** Payment methods at Stripe. */
  paymentMethods: plain(documents.PaymentMethodsDocument),

  /** The tenant of the key; for operators the one that is named by `id` or `externalId`. */
  tenant: plain(documents.TenantDocument),
  /** For operators: finds tenants. */
  tenants: plain(documents.TenantsDocument),
  /**
   * For operators. With an `externalId` that exists, that tenant is returned, and `apiKey` is null; only then is the request
   * sent again after a lost answer.
   */
  createTenant: once(ofInput(documents.CreateTenantDocument), ({ externalId }) => externalId != null),
  /** Changes the name, e-mail address or external id. */
  updateTenant: once(
    plain(documents.UpdateTenantDocument),
    ({ changes }) => changes.externalId === undefined,
  ),
  /** For operators: rejects metered operations of a tenant. */
  suspendTenant: plain(documents.SuspendTenantDocument),
  /** For operators: ends a suspension. */
  reinstateTenant: plain(documents.ReinstateTenantDocument),
  /** For operators: overrides of a contract. What is left out stays, null clears. */
  setTenantLimits: ofInput(documents.SetTenantLimitsDocument),
  /** For operators: erases a tenant and its personal data. */
  eraseTenant: plain(documents.EraseTenantDocument),
  /** A link to all data of the tenant, as an archive. */
  exportTenant: plain(documents.ExportTenantDocument),
  /** For operators: why the tenant has its tier. */
  explainTier: plain(documents.ExplainTierDocument),
  /** Who changed what, newest first. */
  auditLog: plain(documents.AuditLogDocument),

  /** Keys without their secrets, newest first. */
  apiKeys: plain(documents.ApiKeysDocument),
  /** The secret is shown this once. Not sent again after a lost answer. */
  createApiKey: once(ofInput(documents.CreateApiKeyDocument)),
  /** A key with the same name and scopes; the old one works for a while. Not sent again after a lost answer. */
  rotateApiKey: once(plain(documents.RotateApiKeyDocument)),
  /** The key stops working. */
  revokeApiKey: plain(documents.RevokeApiKeyDocument),
  /** A short-lived token, with which a browser acts for a tenant. */
  createTenantToken: ofInput(documents.CreateTenantTokenDocument),
  /** For operators: their keys, without their secrets. */
  operatorKeys: plain(documents.OperatorKeysDocument),
  /** The secret is shown this once. Not sent again after a lost answer. */
  createOperatorKey: once(ofInput(documents.CreateOperatorKeyDocument)),
  /** A key with the same name and role; the old one works for a while. Not sent again after a lost answer. */
  rotateOperatorKey: once(plain(documents.RotateOperatorKeyDocument)),
  /** The operator's key stops working. */
  revokeOperatorKey: plain(documents.RevokeOperatorKeyDocument),

  /** For operators: where events are sent to. */
  webhookEndpoints: plain(documents.WebhookEndpointsDocument),
  /** The secret is shown this once. Not sent again after a lost answer. */
  createWebhookEndpoint: once(ofInput(documents.CreateWebhookEndpointDocument)),
  /** Sends again what waits for an endpoint that was paused or disabled. */
  enableWebhookEndpoint: plain(documents.EnableWebhookEndpointDocument),
  /** Nothing more is sent to it. */
  deleteWebhookEndpoint: plain(documents.DeleteWebhookEndpointDocument),
};

export type Operations = typeof operations;
