import type { Operation } from '../operation.js';
import { accountOperations } from './account.js';
import { chargeOperations } from './charges.js';
import { checkoutSessionOperations } from './checkoutSessions.js';
import { couponOperations } from './coupons.js';
import { customerOperations } from './customers.js';
import { eventOperations } from './events.js';
import { invoiceOperations } from './invoices.js';
import { meterEventOperations } from './meterEvents.js';
import { meterOperations } from './meters.js';
import { paymentMethodOperations } from './paymentMethods.js';
import { portalConfigurationOperations } from './portalConfigurations.js';
import { portalSessionOperations } from './portalSessions.js';
import { priceOperations } from './prices.js';
import { productOperations } from './products.js';
import { subscriptionScheduleOperations } from './subscriptionSchedules.js';
import { subscriptionOperations } from './subscriptions.js';
import { taxIdOperations } from './taxIds.js';
import { taxRateOperations } from './taxRates.js';
import { webhookEndpointOperations } from './webhookEndpoints.js';

/** Everything that the mock can be asked; of two paths that fit, the first counts. */
export const operations: readonly Operation[] = [
  ...accountOperations,
  ...customerOperations,
  ...productOperations,
  ...priceOperations,
  ...couponOperations,
  ...taxRateOperations,
  ...taxIdOperations,
  ...checkoutSessionOperations,
  ...subscriptionOperations,
  ...subscriptionScheduleOperations,
  ...invoiceOperations,
  ...chargeOperations,
  ...paymentMethodOperations,
  ...eventOperations,
  ...portalSessionOperations,
  ...portalConfigurationOperations,
  ...webhookEndpointOperations,
  ...meterOperations,
  ...meterEventOperations,
];
