export {
  type BillingClient,
  type BillingClientOptions,
  type CallOptions,
  createBillingClient,
  type OperationMethods,
  type RequestOptions,
} from './client.js';
export type { ExpiringToken, TokenSource } from './credentials.js';
export {
  BillingClientError,
  type BillingErrorCode,
  type ClientErrorCode,
  type ErrorDetails,
  type FieldError,
  isBillingError,
  type ResponseError,
  type ServerErrorCode,
} from './errors.js';
export type {
  AlertKind,
  ApiKeyFragment as ApiKey,
  ApiKeyScope,
  EntitlementFragment as Entitlement,
  EntitlementKind,
  OverageFragment as Overage,
  PriceInterval,
  SubscriptionFragment as Subscription,
  SubscriptionStatus,
  TenantFragment as Tenant,
  TierChangePreviewFragment as TierChangePreview,
  TierFragment as Tier,
  TierLimitsFragment as TierLimits,
  TierPriceFragment as TierPrice,
  UsageAlertFragment as UsageAlert,
  UsageFragment as Usage,
  UsageGranularity,
  UsagePeriod,
} from './generated/operations.js';
export type { LiveOptions } from './live.js';
export type { LiveUpdates } from './liveUpdates.js';
export type { TenantArguments } from './operations.js';
export type { TypedDocument } from './typedDocument.js';
export type { RejectedEvent, UsageEvent } from './usageEvent.js';
export type { MeterOptions, UsageMeter } from './usageMeter.js';
