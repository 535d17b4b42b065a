import { z } from 'zod';
import { missingParameter } from '../http/errors.js';
import { expand, ignoring, locale, object, text, webUrl } from '../http/params.js';
import { mockId } from '../ids.js';
import { customers } from '../objects/customer.js';
import { portalSessions } from '../objects/portalSession.js';
import { operation } from '../operation.js';
import type { PortalSessionBody } from '../wire.js';

const creation = z.strictObject({
  customer: text.optional(),
  return_url: webUrl.optional(),
  locale: locale.optional(),
  expand,
  configuration: text.optional(),
  flow_data: z
    .strictObject({ type: z.enum(['payment_method_update']), ...ignoring(object, 'after_completion') })
    .optional(),
});

/** A page for one purpose. */
const flowOf = (type: 'payment_method_update'): PortalSessionBody['flow'] => ({
  after_completion: { hosted_confirmation: null, redirect: null, type: 'portal_homepage' },
  customer_update: null,
  subscription_cancel: null,
  subscription_pause: null,
  subscription_update: null,
  subscription_update_confirm: null,
  type,
});

export const portalSessionOperations = [
  operation('POST', '/v1/billing_portal/sessions', creation, async ({ tx, nowS, pageUrl }, params) => {
    if (!params.customer) throw missingParameter('customer');
    const { body: customer } = await tx.get(customers, params.customer, 'customer');
    const id = mockId(portalSessions.prefix);
    const body: PortalSessionBody = {
      id,
      object: 'billing_portal.session',
      configuration: params.configuration ?? 'bpc_mock_default',
      created: nowS,
      customer: customer.id,
      customer_account: null,
      flow: params.flow_data ? flowOf(params.flow_data.type) : null,
      livemode: false,
      locale: params.locale ?? null,
      on_behalf_of: null,
      return_url: params.return_url ?? null,
      url: pageUrl('portal', id),
    };
    await tx.insert(portalSessions, id, body, null);
    return body;
  }),
];
