import { directiveDefinitions } from '@continuum-billing/limits/core';
import { MapperKind, mapSchema } from '@graphql-tools/utils';
import {
  GraphQLEnumType,
  type GraphQLEnumValueConfigMap,
  type GraphQLObjectType,
  GraphQLSchema,
  getNullableType,
  specifiedDirectives,
  validateSchema,
} from 'graphql';
import { buildSchemaSync, type NonEmptyArray } from 'type-graphql';
import type { Catalogue } from '../catalogue/catalogue.js';
import { publicNameOf } from '../catalogue/displayNames.js';
import type { Config } from '../config/config.js';
import type { Subscribe } from '../directives/subscribes.js';
import { COST_DIRECTIVES } from './costDirectives.js';
import { withOperationCosts } from './operationCosts.js';
import { Realtime } from './realtime.js';
import { withoutSampleDomain } from './sampleDomain.js';
import { DateTimeScalar } from './scalars.js';

/**
 * Builds the schema. The values of its enums `TierName` and `Feature` come from the catalogue.
 * @param options.sampleDomain whether it has the sample domain
 * @throws an error that lists everything that is wrong with the schema
 */
export function buildSchema(
  resolvers: NonEmptyArray<new () => object>,
  { catalogue, sampleDomain }: Pick<Config, 'catalogue' | 'sampleDomain'>,
): GraphQLSchema {
  const built = buildSchemaSync({
    resolvers,
    orphanedTypes: [Realtime],
    // Arguments are validated before anything is charged: see argumentValidation.ts.
    validate: false,
    scalarsMap: [{ type: Date, scalar: DateTimeScalar }],
    // The directives are defined below, because their definitions contain the catalogue's features.
    skipCheck: true,
  });
  const values: Record<string, GraphQLEnumValueConfigMap> = {
    TierName: tierNames(catalogue),
    Feature: Object.fromEntries(catalogue.features.map((value) => [value, { value }])),
  };
  const ofCatalogue = mapSchema(withOperationCosts(built), {
    [MapperKind.ENUM_TYPE]: (type) => {
      const config = values[type.name];
      return config ? new GraphQLEnumType({ ...type.toConfig(), values: config }) : type;
    },
    // A non-null field that fails would also remove the results of the mutations before it.
    [MapperKind.MUTATION_ROOT_FIELD]: (field) => ({ ...field, type: getNullableType(field.type) }),
  });
  const features = ofCatalogue.getType('Feature') as GraphQLEnumType;
  const whole = new GraphQLSchema({
    ...ofCatalogue.toConfig(),
    subscription: subscriptionRoot(ofCatalogue),
    directives: [...specifiedDirectives, ...directiveDefinitions(features), ...COST_DIRECTIVES],
  });
  const schema = sampleDomain ? whole : withoutSampleDomain(whole);
  const errors = validateSchema(schema);
  if (errors.length > 0)
    throw new Error(`The schema is not valid:\n${errors.map(({ message }) => message).join('\n')}`);
  return schema;
}

/**
 * A tier has its present name in the API, and the name under which it is stored behind it. Clients may still send its
 * former names; of several names for one tier, the last is the one that they get.
 */
function tierNames(catalogue: Catalogue): GraphQLEnumValueConfigMap {
  const values = catalogue.tiers.flatMap(({ name: value, renamedFrom, retired }) => {
    const name = publicNameOf(catalogue, value);
    const former = renamedFrom
      .filter((one) => one !== name)
      .map((one) => [one, { value, deprecationReason: `Renamed to ${name}.` }] as const);
    const present = { value, ...(retired && { deprecationReason: 'No longer sold.' }) };
    return [...former, [name, present] as const];
  });
  return Object.fromEntries(values);
}

/** Attaches the functions that open the events of its fields. */
function subscriptionRoot(schema: GraphQLSchema): GraphQLObjectType {
  const root = schema.getType(Realtime.name) as GraphQLObjectType;
  for (const field of Object.values(root.getFields())) {
    const subscribe = field.extensions.subscribe as Subscribe<unknown, unknown>;
    field.subscribe = (_root, args, context, info) => subscribe(args, context, info);
  }
  return root;
}
