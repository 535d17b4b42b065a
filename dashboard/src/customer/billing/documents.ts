import type { BillingPlanQuery, BillingUsageQuery, PlanFragment } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';

export type Plan = PlanFragment;
export type Account = BillingPlanQuery;
export type Usage = BillingUsageQuery;

export const PLAN_FIELDS = graphql(`
  fragment Plan on Subscription {
    id
    status
    seats
    price {
      ...PriceTerms
    }
    currentPeriodEnd
    cancelAtPeriodEnd
    cancelAt
    trialEnd
    paymentPause {
      resumesAt
    }
    graceEndsAt
    scheduledTier
    scheduledPrice {
      ...PriceTerms
    }
    scheduledAt
    stripeSubscriptionId
    tier {
      ...TierTerms
    }
  }
`);

/** Every operation names the tenant: if another link was opened in this browser, the server rejects what this page asks. */
export const PLAN = graphql(`
  query BillingPlan($tenantId: ID!) {
    tenant(id: $tenantId) {
      id
      name
      suspendedAt
      limitOverrides {
        tier
        inForce
        until
      }
    }
    subscription(tenantId: $tenantId) {
      ...Plan
    }
    tiers {
      ...TierTerms
    }
  }
`);

export const USAGE = graphql(`
  query BillingUsage($tenantId: ID!) {
    minute: usage(period: MINUTE, tenantId: $tenantId) {
      apiCalls
      limit
      resetsAt
    }
    day: usage(period: DAY, tenantId: $tenantId) {
      apiCalls
      limit
      resetsAt
      overageCalls
    }
    month: usage(period: MONTH, tenantId: $tenantId) {
      apiCalls
      resetsAt
    }
    storage(tenantId: $tenantId) {
      memories
      bytes
      limits {
        maxMemories
        maxStorageBytes
      }
      resources {
        resource
        displayName
        stored
        limit
      }
    }
    overage(tenantId: $tenantId) {
      monthlyCapCents
      priceCents
      perCalls
      currency
      allowedCalls
      usedCalls
      costCents
      unbilledCents
    }
  }
`);

export const ALERTS = graphql(`
  query BillingAlerts($tenantId: ID!) {
    alerts(first: 5, tenantId: $tenantId) {
      edges {
        node {
          id
          kind
          level
          used
          limit
          at
        }
      }
    }
  }
`);

export const INVOICES = graphql(`
  query BillingInvoices($tenantId: ID!, $first: Int!, $after: String) {
    invoices(tenantId: $tenantId, first: $first, after: $after) {
      edges {
        node {
          id
          number
          status
          currency
          totalCents
          taxCents
          amountRemainingCents
          createdAt
          hostedUrl
          pdfUrl
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

export const PAYMENT_METHODS = graphql(`
  query BillingPaymentMethods($tenantId: ID!) {
    paymentMethods(tenantId: $tenantId) {
      id
      type
      brand
      last4
      expMonth
      expYear
      isDefault
    }
  }
`);

export const PREVIEW = graphql(`
  query BillingPreview(
    $tenantId: ID!
    $tier: TierName!
    $interval: PriceInterval
    $intervalCount: Int
    $seats: Int
  ) {
    previewTierChange(
      tenantId: $tenantId
      tier: $tier
      interval: $interval
      intervalCount: $intervalCount
      seats: $seats
    ) {
      ...ChangePreview
    }
  }
`);

export const CHANGE_PREVIEW = graphql(`
  fragment ChangePreview on TierChangePreview {
    seats
    immediately
    effectiveAt
    currency
    amountDueNowCents
    taxCents
    prorationCents
    nextInvoiceCents
    nextInvoiceAt
  }
`);

export const PREVIEW_SEATS = graphql(`
  query BillingPreviewSeats($tenantId: ID!, $seats: Int!) {
    previewSeats(tenantId: $tenantId, seats: $seats) {
      ...ChangePreview
    }
  }
`);

export const SET_SEATS = graphql(`
  mutation BillingSetSeats($tenantId: ID!, $seats: Int!) {
    setSeats(tenantId: $tenantId, seats: $seats) {
      ...Plan
    }
  }
`);

export const CHECKOUT = graphql(`
  mutation BillingCheckout($tenantId: ID!, $input: CreateCheckoutSessionInput!) {
    createCheckoutSession(tenantId: $tenantId, input: $input) {
      id
      url
      localUrl
    }
  }
`);

export const PORTAL = graphql(`
  mutation BillingPortal($tenantId: ID!, $input: CreatePortalSessionInput!) {
    createPortalSession(tenantId: $tenantId, input: $input) {
      id
      url
      localUrl
    }
  }
`);

export const CHANGE_TIER = graphql(`
  mutation BillingChangeTier($tenantId: ID!, $input: ChangeTierInput!) {
    changeTier(tenantId: $tenantId, input: $input) {
      ...Plan
    }
  }
`);

export const CANCEL = graphql(`
  mutation BillingCancel($tenantId: ID!) {
    cancelSubscription(tenantId: $tenantId, input: { atPeriodEnd: true }) {
      ...Plan
    }
  }
`);

export const RESUME = graphql(`
  mutation BillingResume($tenantId: ID!) {
    resumeSubscription(tenantId: $tenantId) {
      ...Plan
    }
  }
`);

export const RESUME_PAYMENTS = graphql(`
  mutation BillingResumePayments($tenantId: ID!) {
    resumePayments(tenantId: $tenantId) {
      ...Plan
    }
  }
`);

export const SET_OVERAGE = graphql(`
  mutation BillingSetOverage($tenantId: ID!, $monthlyCapCents: Int) {
    setOverage(tenantId: $tenantId, input: { monthlyCapCents: $monthlyCapCents }) {
      monthlyCapCents
      priceCents
      perCalls
      currency
      allowedCalls
      usedCalls
      costCents
      unbilledCents
    }
  }
`);
