'use client';

export { BillingProvider, type BillingProviderProps } from './BillingProvider.js';
export { CurrentPlan, type CurrentPlanProps } from './CurrentPlan.js';
export { type Explanation, useExplanation } from './explanation.js';
export { createFormats, type FormatOptions, type Formats } from './formats.js';
export {
  type BillingQuery,
  type Brand,
  type PaymentMethods,
  useBillingQuery,
  useBrand,
  useEntitlements,
  usePaymentMethods,
  useSubscription,
  useTenant,
  useTiers,
  useUsage,
} from './hooks.js';
export { PricingTable, type PricingTableProps, type TierDetails } from './PricingTable.js';
export { Meter } from './parts/Meter.js';
export { defaultTexts, type TextOverrides, type Texts } from './texts.js';
export { UsageMeter, type UsageMeterProps } from './UsageMeter.js';
export { type Billing, type CheckoutOptions, type PaymentPage, useBilling } from './useBilling.js';
