export type { PortalAction } from './billing/portal.js';
export type { Disorder } from './disorder.js';
export type { InjectedFailure } from './failures.js';
export { StripeFault } from './http/errors.js';
export type { Log } from './log.js';
export { createMockStripe, type MockStripe, type MockStripeDeps } from './mockStripe.js';
export { checkoutPage, messagePage, PAGE_STYLE } from './pages.js';
export { portalPage } from './portalPage.js';
export type { SeededPrice } from './seed.js';
