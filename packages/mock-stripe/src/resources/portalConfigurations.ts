import { z } from 'zod';
import { listObjects, page } from '../http/pagination.js';
import {
  clearable,
  expand,
  flag,
  ignoring,
  listOf,
  mergeMetadata,
  metadata,
  object,
  prorationBehavior,
  text,
  toggle,
} from '../http/params.js';
import { mockId } from '../ids.js';
import { buildFeatures, portalConfigurations } from '../objects/portalConfiguration.js';
import { operation } from '../operation.js';
import type { PortalConfigurationBody } from '../wire.js';

const onOff = z.strictObject({ enabled: flag });
const customerDetail = z.enum(['address', 'email', 'name', 'phone', 'shipping', 'tax_id']);
/** @param enabled a new configuration must say of each named feature whether it is on */
const featuresWith = <Enabled extends z.ZodType<boolean | undefined>>(enabled: Enabled) =>
  z.strictObject({
    customer_update: z
      .strictObject({ enabled, allowed_updates: listOf(customerDetail, 10).optional() })
      .optional(),
    invoice_history: onOff.optional(),
    payment_method_update: onOff.optional(),
    subscription_cancel: z
      .strictObject({
        enabled,
        mode: z.enum(['at_period_end', 'immediately']).optional(),
        ...ignoring(toggle, 'cancellation_reason'),
        ...ignoring(prorationBehavior, 'proration_behavior'),
      })
      .optional(),
    subscription_update: z
      .strictObject({
        enabled,
        default_allowed_updates: listOf(z.enum(['price', 'promotion_code', 'quantity']), 3).optional(),
        products: listOf(z.strictObject({ product: text, prices: listOf(text, 20) }), 20).optional(),
        proration_behavior: prorationBehavior.optional(),
        schedule_at_period_end: z
          .strictObject({
            conditions: listOf(
              z.strictObject({ type: z.enum(['decreasing_item_amount', 'shortening_interval']) }),
              2,
            ).optional(),
          })
          .optional(),
      })
      .optional(),
  });
const details = {
  name: clearable.optional(),
  default_return_url: clearable.optional(),
  metadata,
  expand,
  ...ignoring(object, 'business_profile'),
  ...ignoring(toggle, 'login_page'),
};
const creation = z.strictObject({ ...details, features: featuresWith(flag) });
const change = z.strictObject({
  ...details,
  features: featuresWith(flag.optional()).optional(),
  active: flag.optional(),
});

function apply(body: PortalConfigurationBody, params: z.infer<typeof change>, nowS: number): void {
  if (params.features) body.features = buildFeatures(params.features);
  if (params.active !== undefined) body.active = params.active;
  if (params.name !== undefined) body.name = params.name || null;
  if (params.default_return_url !== undefined) body.default_return_url = params.default_return_url || null;
  body.metadata = mergeMetadata(body.metadata ?? {}, params.metadata);
  body.updated = nowS;
}

export const portalConfigurationOperations = [
  operation('POST', '/v1/billing_portal/configurations', creation, async ({ tx, nowS, emit }, params) => {
    const body: PortalConfigurationBody = {
      id: mockId(portalConfigurations.prefix),
      object: 'billing_portal.configuration',
      active: true,
      application: null,
      business_profile: { headline: null, privacy_policy_url: null, terms_of_service_url: null },
      created: nowS,
      default_return_url: null,
      features: buildFeatures({}),
      is_default: false,
      livemode: false,
      login_page: { enabled: false, url: null },
      metadata: {},
      name: null,
      updated: nowS,
    };
    apply(body, params, nowS);
    await tx.insert(portalConfigurations, body.id, body, null);
    await emit('billing_portal.configuration.created', body);
    return body;
  }),
  operation(
    'GET',
    '/v1/billing_portal/configurations/:id',
    z.strictObject({ expand }),
    async ({ tx, id }) => {
      return (await tx.get(portalConfigurations, id)).body;
    },
  ),
  operation(
    'POST',
    '/v1/billing_portal/configurations/:id',
    change,
    async ({ tx, id, nowS, emit }, params) => {
      const stored = await tx.get(portalConfigurations, id);
      apply(stored.body, params, nowS);
      await tx.save(portalConfigurations, stored);
      await emit('billing_portal.configuration.updated', stored.body);
      return stored.body;
    },
  ),
  operation(
    'GET',
    '/v1/billing_portal/configurations',
    z.strictObject({ ...page, active: flag.optional(), is_default: flag.optional() }),
    (call, { active, is_default: isDefault, ...params }) =>
      listObjects(call, portalConfigurations, params, [
        active === undefined ? {} : { 'refs.active': active },
        isDefault === undefined ? {} : { 'body.is_default': isDefault },
      ]),
  ),
];
