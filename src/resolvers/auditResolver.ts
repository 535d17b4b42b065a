import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Args, Ctx, Query, Resolver } from 'type-graphql';
import { Checked, RequiresScope } from '../directives/access.js';
import { AuditEntry, AuditEntryConnection, AuditLogArgs } from '../schema/auditLog.js';
import { connect, DEFAULT_PAGE, decodeCursor } from '../schema/pagination.js';
import { OperatorRole } from '../services/accounts/principal.js';
import { forTenant } from '../services/audit/auditReader.js';
import { type Context, requestedTenantId } from './context.js';

@Resolver(() => AuditEntry)
export class AuditResolver {
  // Entries name keys, payments and people, so READ is not enough for a tenant: front ends have it too.
  @Query(() => AuditEntryConnection, {
    description:
      "Newest first. With an operator's key: the log of the tenant that it names, or else of the operators.",
  })
  @RequiresScope(ApiKeyScope.KEYS, { role: OperatorRole.READ })
  @Checked(({ after }) => decodeCursor(after))
  async auditLog(
    @Args() { first, after, action, from, to, ...named }: AuditLogArgs,
    @Ctx() context: Context,
  ) {
    const isOperator = context.principal?.kind === 'operator';
    const isOperators = isOperator && !named.tenantId && !named.externalId;
    const tenantId = isOperators ? null : await requestedTenantId(context, named, { orErased: true });
    const query = { first: first ?? DEFAULT_PAGE, after: decodeCursor(after), action, from, to };
    const { entries, hasNextPage } = await context.services.auditReader.page(tenantId, query);
    const shown = isOperator ? entries : entries.map(forTenant);
    return connect(
      shown,
      hasNextPage,
      after,
      ({ id }) => id,
      (entry): AuditEntry => entry,
    );
  }
}
