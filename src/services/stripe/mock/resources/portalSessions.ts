import { z } from 'zod';
import { missingParameter } from '../http/errors.js';
import { expand, ignoring, text, webUrl } from '../http/params.js';
import { mockId } from '../ids.js';
import { customers } from '../objects/customer.js';
import { portalSessions } from '../objects/portalSession.js';
import { operation } from '../operation.js';
import type { PortalSessionBody } from '../wire.js';

const creation = z.strictObject({
  customer: text.optional(),
  return_url: webUrl.optional(),
  locale: text.optional(),
  expand,
  configuration: text.optional(),
  ...ignoring('flow_data'),
});

export const portalSessionOperations = [
  operation('POST', '/v1/billing_portal/sessions', creation, async ({ tx, nowS }, params) => {
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
      flow: null,
      livemode: false,
      locale: params.locale ?? null,
      on_behalf_of: null,
      return_url: params.return_url ?? null,
      url: `https://billing.stripe.com/mock/${id}`,
    };
    await tx.insert(portalSessions, id, body, null);
    return body;
  }),
];
