import { type DocumentNode, parse, print } from 'graphql';

/**
 * The type definitions of `@rateLimited`, `@requiresFeature` and `@storageQuota`, for a team's own schema. A feature is
 * written as an enum value or as a text: the tiers say which there are, when the schema is enforced.
 */
export const limitDirectives: DocumentNode = parse(
  /* GraphQL */ `
    """
    Costs the tenant \`cost\` calls of its minute and day. With \`max\` and \`window\` (e.g. \`10s\`) the field has a limit of its own besides.
    """
    directive @rateLimited(cost: Int! = 1, max: Int, window: String) on FIELD_DEFINITION

    "Only for tenants whose tier has the feature."
    directive @requiresFeature(feature: TierFeature!) on FIELD_DEFINITION | OBJECT

    "Only while what the argument \`arg\` stores fits into the tenant's storage quotas. \`resource\` is the catalogue's name of it."
    directive @storageQuota(arg: String! = "input", resource: String) on FIELD_DEFINITION

    "A feature of a tier, such as SEMANTIC_SEARCH."
    scalar TierFeature
  `,
  { noLocation: true },
);

/** The same as text. */
export const limitDirectivesSdl: string = `${print(limitDirectives)}\n`;
