import type { BuyerDetails } from '../billing/checkout.js';
import type { PortalAction } from '../billing/portal.js';
import { MockStripeError } from '../http/errors.js';
import type { MockStripe } from '../mockStripe.js';
import { isWebUrl } from '../webUrl.js';
import { checkoutPage } from './checkoutPage.js';
import { message, type PageResponse, redirect, show } from './html.js';
import { portalPage } from './portalPage.js';

/** A page, or a button of one, for whatever web server it is mounted on. */
export interface PageRoute {
  method: 'GET' | 'POST';
  /** `:sessionId` stands for one segment. The pages' forms post to these paths. */
  path: string;
  summary: string;
  handle(sessionId: string, form: URLSearchParams): Promise<PageResponse>;
}

const BUTTONS: Record<PortalAction['kind'], string> = {
  cancel: 'Cancel at the end of the period',
  resume: 'Take the cancellation back',
  switch: 'Switch to another price: the form field `price`',
  card: 'Pay with another card: the form field `card`, one of the test cards such as `pm_card_visa`',
  pay: 'Pay the invoice that is due',
};
const NO_CHECKOUT = 'There is no such checkout.';
const NO_PORTAL = 'There is no such billing page.';

/** The pages where a person pays or turns back, and looks after a subscription. */
export function pageRoutes({ checkout, portal }: Pick<MockStripe, 'checkout' | 'portal'>): PageRoute[] {
  async function showCheckout(sessionId: string): Promise<PageResponse> {
    const session = await checkout.find(sessionId);
    if (!session) return message(404, NO_CHECKOUT);
    if (session.status === 'complete') return message(200, 'This checkout is complete.');
    if (session.status === 'expired') return message(410, 'This checkout has expired.');
    return show(200, checkoutPage(session), [session.success_url, session.cancel_url]);
  }

  async function leaveCheckout(leaving: Promise<{ redirectUrl: string }>): Promise<PageResponse> {
    try {
      const { redirectUrl } = await leaving;
      return isWebUrl(redirectUrl)
        ? redirect(redirectUrl)
        : message(400, 'This checkout leads nowhere safe.');
    } catch (error) {
      if (!(error instanceof MockStripeError)) throw error;
      return error.status === 404 ? message(404, NO_CHECKOUT) : message(409, error.message);
    }
  }

  async function showPortal(sessionId: string, status = 200, problem: string | null = null) {
    const view = await portal.find(sessionId);
    return view ? show(status, portalPage(view, problem)) : message(404, NO_PORTAL);
  }

  async function press(sessionId: string, action: PortalAction): Promise<PageResponse> {
    try {
      await portal.act(sessionId, action);
    } catch (error) {
      if (!(error instanceof MockStripeError)) throw error;
      if (error.status === 404) return message(404, NO_PORTAL);
      return showPortal(sessionId, error.status === 402 ? 402 : 409, error.message);
    }
    return redirect(`/mock/portal/${encodeURIComponent(sessionId)}`);
  }

  return [
    {
      method: 'GET',
      path: '/mock/checkout/:sessionId',
      summary: 'The page of a checkout',
      handle: showCheckout,
    },
    {
      method: 'POST',
      path: '/mock/checkout/:sessionId/complete',
      summary:
        'Pay: 303 to the success URL. Form fields where the page asks for them: `promotion_code`, `country`, ' +
        '`postal_code`, `name`, `tax_id`',
      handle: (sessionId, form) =>
        leaveCheckout(checkout.complete(sessionId, form.get('promotion_code') || null, detailsIn(form))),
    },
    {
      method: 'POST',
      path: '/mock/checkout/:sessionId/decline',
      summary: 'Turn back: 303 to the cancel URL',
      handle: (sessionId) => leaveCheckout(checkout.decline(sessionId)),
    },
    {
      method: 'GET',
      path: '/mock/portal/:sessionId',
      summary: 'The page of a billing portal',
      handle: (sessionId) => showPortal(sessionId),
    },
    ...Object.entries(BUTTONS).map(
      ([kind, summary]): PageRoute => ({
        method: 'POST',
        path: `/mock/portal/:sessionId/${kind}`,
        summary,
        handle: (sessionId, form) => press(sessionId, actionOf(kind as PortalAction['kind'], form)),
      }),
    ),
  ];
}

/** As people type them. */
function detailsIn(form: URLSearchParams): BuyerDetails {
  const entered = (name: string) => form.get(name)?.trim() || undefined;
  const country = entered('country')?.toUpperCase();
  return {
    address: country ? { country, postal_code: entered('postal_code') } : undefined,
    name: entered('name'),
    taxId: entered('tax_id')?.replaceAll(/\s/g, '').toUpperCase(),
  };
}

function actionOf(kind: PortalAction['kind'], form: URLSearchParams): PortalAction {
  switch (kind) {
    case 'switch':
      return { kind, price: form.get('price') ?? '' };
    case 'card':
      return { kind, card: form.get('card') ?? '' };
    default:
      return { kind };
  }
}
