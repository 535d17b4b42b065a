import {
  DirectiveLocation,
  GraphQLBoolean,
  GraphQLDirective,
  type GraphQLEnumType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  type GraphQLScalarType,
  GraphQLString,
} from 'graphql';

/** @param featureType the catalogue's features */
export function limitDirectives(featureType: GraphQLEnumType | GraphQLScalarType): GraphQLDirective[] {
  return [
    new GraphQLDirective({
      name: 'rateLimited',
      description:
        'Costs the tenant `cost` calls of its minute and day. With `max` and `window` (e.g. `10s`) the field has a limit of its own besides.',
      locations: [DirectiveLocation.FIELD_DEFINITION],
      args: {
        cost: { type: new GraphQLNonNull(GraphQLInt), defaultValue: 1 },
        max: { type: GraphQLInt },
        window: { type: GraphQLString },
      },
    }),
    new GraphQLDirective({
      name: 'requiresFeature',
      description: 'Only for tenants whose tier has the feature.',
      locations: [DirectiveLocation.FIELD_DEFINITION, DirectiveLocation.OBJECT],
      args: { feature: { type: new GraphQLNonNull(featureType) } },
    }),
    new GraphQLDirective({
      name: 'storageQuota',
      description:
        'Only while what the argument `arg` stores fits into the tenant’s storage quotas. `resource` is the catalogue’s name of it; without: memories.',
      locations: [DirectiveLocation.FIELD_DEFINITION],
      args: {
        arg: { type: new GraphQLNonNull(GraphQLString), defaultValue: 'input' },
        resource: { type: GraphQLString },
      },
    }),
  ];
}

const NAMES = new GraphQLList(new GraphQLNonNull(GraphQLString));

/** As Federation 2.9 defines them, so that routers read them too. */
export const COST_DIRECTIVES: readonly GraphQLDirective[] = [
  new GraphQLDirective({
    name: 'cost',
    description: 'The work of resolving it; 1 where nothing is said.',
    locations: [
      DirectiveLocation.ARGUMENT_DEFINITION,
      DirectiveLocation.ENUM,
      DirectiveLocation.FIELD_DEFINITION,
      DirectiveLocation.INPUT_FIELD_DEFINITION,
      DirectiveLocation.OBJECT,
      DirectiveLocation.SCALAR,
    ],
    args: { weight: { type: new GraphQLNonNull(GraphQLInt) } },
  }),
  new GraphQLDirective({
    name: 'listSize',
    description: 'How many items the list has, or its `sizedFields`, for the cost of what is below it.',
    locations: [DirectiveLocation.FIELD_DEFINITION],
    args: {
      assumedSize: { type: GraphQLInt },
      slicingArguments: { type: NAMES },
      sizedFields: { type: NAMES },
      requireOneSlicingArgument: { type: GraphQLBoolean, defaultValue: true },
    },
  }),
];
