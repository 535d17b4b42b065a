export type { BuyerDetails } from './billing/checkout.js';
export type { Disorder } from './disorder.js';
export type { InjectedFailure } from './failures.js';
export { MockStripeError } from './http/errors.js';
export type { Log } from './log.js';
export { createMockStripe, type MockStripe, type MockStripeDeps } from './mockStripe.js';
export type { PageResponse } from './pages/html.js';
export { type PageRoute, pageRoutes } from './pages/routes.js';
export type { SeededPrice } from './seed.js';
export { type ServedMock, type ServeOptions, serveMockStripe } from './standalone/httpServer.js';
export type {
  MockCheckout,
  MockEvent,
  MockState,
  MockSubscription,
  UpcomingChange,
} from './state.js';
export type { Trigger, TriggerSubject } from './trigger.js';
