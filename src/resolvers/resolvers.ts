// Must be loaded before the first class with decorators.
import 'reflect-metadata';
import { AlertResolver } from './alertResolver.js';
import { ApiKeyResolver } from './apiKeyResolver.js';
import { AuditResolver } from './auditResolver.js';
import { BillingAccountResolver } from './billingAccountResolver.js';
import { BillingPageResolver } from './billingPageResolver.js';
import { BrandResolver } from './brandResolver.js';
import { DecisionResolver } from './decisionResolver.js';
import { MemoryResolver } from './memoryResolver.js';
import { MeteringResolver } from './meteringResolver.js';
import { OperatorKeyResolver } from './operatorKeyResolver.js';
import { OverviewResolver, RejectionResolver, TenantsOverviewResolver } from './overviewResolver.js';
import { MemoryChangeResolver, RealtimeResolver } from './realtimeResolver.js';
import { ReconcileResolver } from './reconcileResolver.js';
import { StoredLimitResolver } from './storedLimitResolver.js';
import { StripeComparisonResolver } from './stripeComparisonResolver.js';
import { SubscriptionResolver } from './subscriptionResolver.js';
import { TenantDataResolver } from './tenantDataResolver.js';
import { TenantLifecycleResolver } from './tenantLifecycleResolver.js';
import { TenantResolver } from './tenantResolver.js';
import { TenantTokenResolver } from './tenantTokenResolver.js';
import { TierResolver } from './tierResolver.js';
import { UsageResolver } from './usageResolver.js';
import { WebhookEventResolver } from './webhookEventResolver.js';
import { WebhookResolver } from './webhookResolver.js';

/** Every resolver of the schema. */
export const resolvers = [
  TierResolver,
  StoredLimitResolver,
  BrandResolver,
  TenantResolver,
  TenantLifecycleResolver,
  TenantDataResolver,
  SubscriptionResolver,
  BillingAccountResolver,
  BillingPageResolver,
  UsageResolver,
  AlertResolver,
  MeteringResolver,
  DecisionResolver,
  ApiKeyResolver,
  TenantTokenResolver,
  AuditResolver,
  OperatorKeyResolver,
  MemoryResolver,
  WebhookResolver,
  WebhookEventResolver,
  OverviewResolver,
  TenantsOverviewResolver,
  RejectionResolver,
  StripeComparisonResolver,
  ReconcileResolver,
  RealtimeResolver,
  MemoryChangeResolver,
] as const;
