import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { IsHttpUrl, Satisfies } from './constraints.js';
import { DateTimeScalar } from './scalars.js';
import { EXTERNAL_ID, IsExternalId, IsTenantId, TENANT_ID, type TenantRef } from './tenantRef.js';

const MAX_LOCALE_LENGTH = 35;

/** A language as `Intl` knows it, so that formatting by it never fails. */
function isLocale(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > MAX_LOCALE_LENGTH) return false;
  try {
    return Intl.getCanonicalLocales(value).length === 1;
  } catch {
    return false;
  }
}

@InputType()
export class CreateBillingPageSessionInput implements TenantRef {
  @Field({ description: 'Where the page links back to.' })
  @IsHttpUrl()
  returnUrl!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'A language tag such as `de-DE`, by which the page writes numbers and dates. Default: `en-US`.',
  })
  @Satisfies(isLocale, 'must be a language tag such as de-DE')
  locale?: string | null;

  @Field(() => ID, TENANT_ID)
  @IsTenantId()
  tenantId?: string | null;

  @Field(() => ID, EXTERNAL_ID)
  @IsExternalId()
  externalId?: string | null;
}

@ObjectType({ description: "A link to a tenant's billing page." })
export class BillingPageSession {
  @Field({
    description:
      'Opens the page without a key, once: treat it as a secret. Opening it in a mail scanner does not use it up.',
  })
  url!: string;

  @Field(() => DateTimeScalar, { description: 'The page must have been opened by then.' })
  expiresAt!: Date;
}
