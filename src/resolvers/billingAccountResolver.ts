import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Arg, Args, Ctx, Directive, Mutation, Query, Resolver } from 'type-graphql';
import { Checked, RequiresScope } from '../directives/access.js';
import {
  CreatePortalSessionInput,
  InvoiceConnection,
  PaymentMethodType,
  PortalSession,
} from '../schema/billingAccount.js';
import { connect, DEFAULT_PAGE, decodeCursor } from '../schema/pagination.js';
import { TenantArgs, TenantPageArgs } from '../schema/tenantRef.js';
import { OperatorRole } from '../services/accounts/principal.js';
import { type Context, requestedTenantId } from './context.js';
import { toInvoice, toPaymentMethod } from './mappers.js';

@Resolver()
export class BillingAccountResolver {
  @Mutation(() => PortalSession, {
    description:
      'Creates a page at Stripe where a person can change, cancel or resume a subscription and update the card.',
  })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async createPortalSession(
    @Arg('input') { returnUrl }: CreatePortalSessionInput,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<PortalSession> {
    const { billingAccount, localPortalUrl } = context.services;
    const session = await billingAccount.portal(
      await requestedTenantId(context, named),
      returnUrl,
      context.author(),
    );
    return { ...session, localUrl: localPortalUrl(session.id) };
  }

  @Query(() => InvoiceConnection, { description: 'Invoices at Stripe, newest first.' })
  @RequiresScope(ApiKeyScope.BILLING, { role: OperatorRole.READ })
  @Directive('@rateLimited(cost: 0, max: 30, window: "10s")')
  @Checked(({ after }) => decodeCursor(after))
  async invoices(@Args() { first, after, ...named }: TenantPageArgs, @Ctx() context: Context) {
    const tenantId = await requestedTenantId(context, named);
    const wanted = { first: first ?? DEFAULT_PAGE, after: decodeCursor(after) };
    const page = await context.services.billingAccount.invoices(tenantId, wanted);
    return connect(page.invoices, page.hasNextPage, after, (invoice) => invoice.id, toInvoice);
  }

  @Query(() => [PaymentMethodType], {
    description: 'Payment methods at Stripe: the newest 100, and always the default one.',
  })
  @RequiresScope(ApiKeyScope.BILLING, { role: OperatorRole.READ })
  @Directive('@rateLimited(cost: 0, max: 30, window: "10s")')
  async paymentMethods(@Args() named: TenantArgs, @Ctx() context: Context): Promise<PaymentMethodType[]> {
    const tenantId = await requestedTenantId(context, named);
    return (await context.services.billingAccount.paymentMethods(tenantId)).map(toPaymentMethod);
  }
}
