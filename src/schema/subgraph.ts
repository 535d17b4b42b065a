import { buildSubgraphSchema, type GraphQLResolverMap } from '@apollo/subgraph';
import {
  type EntityRule,
  type EntityRules,
  type FieldRule,
  type Rules,
  readWorkWeights,
  type WorkWeights,
} from '@continuum-billing/limits/core';
import { getResolversFromSchema, MapperKind, mapSchema } from '@graphql-tools/utils';
import {
  type ConstDirectiveNode,
  type DocumentNode,
  GraphQLEnumType,
  GraphQLInputObjectType,
  GraphQLObjectType,
  GraphQLSchema,
  Kind,
  parse,
  print,
  visit,
} from 'graphql';
import { printTypes } from './printSchema.js';

/** A type that other subgraphs may refer to and extend. */
export interface Entity<C> {
  /** The type's name in the plain schema. */
  type: string;
  /** The field that identifies the entity in a representation. */
  key: string;
  /** The root field of the plain schema that returns the same. Its access rule and cost also apply to the entity. */
  rootField: string;
  /** Called for each representation of a request, all in one tick. An error becomes null and an entry in `errors`. */
  resolve(key: string, context: C): Promise<object>;
}

export interface SubgraphNames {
  /** Prefix of the names of types, enums and inputs. Scalars keep their names: they mean the same in all subgraphs. */
  typePrefix: string;
  /** Prefix of the names of root fields; may be empty. */
  fieldPrefix: string;
}

/** The plain schema as a subgraph of a supergraph. */
export interface Subgraph {
  schema: GraphQLSchema;
  /** The SDL for composition, without the definitions that federation itself supplies. */
  sdl: string;
  /** The rules of the plain schema under the subgraph's names; both schemas share the counts of field limits. */
  rules: Rules;
  /** The costs of the plain schema under the subgraph's names. */
  costs: WorkWeights;
  entities: EntityRules;
}

/** The oldest version with @cost and @listSize: composition drops them from subgraphs that link an older one. */
const FEDERATION_URL = 'https://specs.apollo.dev/federation/v2.9';
/** Composition keeps a directive only if it belongs to a specification. The URL is just a name and is never fetched. */
const LIMITS_URL = 'https://specs.continuum-billing.dev/limits/v1.0';
const LIMIT_DIRECTIVES = ['@rateLimited', '@requiresFeature', '@storageQuota'];

/**
 * Builds the subgraph. Its types have a prefix because composition would mistake a type named Subscription for the
 * subscription root of the supergraph.
 * @param rules the rules of the plain schema
 * @throws an error if the root field that an entity refers to does not exist, or has a limit of its own
 */
export function buildSubgraph<C>(
  plain: GraphQLSchema,
  rules: Rules,
  entities: readonly Entity<C>[],
  names: SubgraphNames,
): Subgraph {
  const renamed = rename(withoutSubscriptions(plain), names);
  const typeDefs = federated(parse(printTypes(renamed)), entities, names);
  const references = Object.fromEntries(
    entities.map(({ type, key, resolve }) => [
      typeName(type, names),
      {
        __resolveReference: (reference: Record<string, string>, context: C) =>
          resolve(reference[key] as string, context),
      },
    ]),
  );
  const schema = buildSubgraphSchema([
    { typeDefs, resolvers: getResolversFromSchema(renamed) as GraphQLResolverMap<C> },
    { typeDefs: NOTHING, resolvers: references },
  ]);
  return {
    schema,
    sdl: `${print(typeDefs)}\n`,
    rules: byNewNames(plain, rules, names),
    costs: new Map([...readWorkWeights(schema), ...byNewNames(plain, ownCosts(plain), names)]),
    entities: new Map(
      entities.map((entity) => [typeName(entity.type, names), entityRule(entity, rules)] as const),
    ),
  };
}

const NOTHING: DocumentNode = { kind: Kind.DOCUMENT, definitions: [] };

const typeName = (type: string, { typePrefix }: SubgraphNames): string => `${typePrefix}${type}`;

/** `billing` makes `billingTiers` of `tiers`; `billing_` makes `billing_tiers`. */
function fieldName(field: string, { fieldPrefix }: SubgraphNames): string {
  if (!fieldPrefix || fieldPrefix.endsWith('_')) return `${fieldPrefix}${field}`;
  return `${fieldPrefix}${field.charAt(0).toUpperCase()}${field.slice(1)}`;
}

const isRoot = (schema: GraphQLSchema, type: string): boolean =>
  [schema.getQueryType()?.name, schema.getMutationType()?.name].includes(type);

/** Gateways pass on queries and mutations. Without its root, the schema also lacks the types that only it returns. */
function withoutSubscriptions(plain: GraphQLSchema): GraphQLSchema {
  return new GraphQLSchema({ ...plain.toConfig(), subscription: null, types: [] });
}

function rename(plain: GraphQLSchema, names: SubgraphNames): GraphQLSchema {
  return mapSchema(plain, {
    [MapperKind.OBJECT_TYPE]: (type) =>
      isRoot(plain, type.name)
        ? type
        : new GraphQLObjectType({ ...type.toConfig(), name: typeName(type.name, names) }),
    [MapperKind.ENUM_TYPE]: (type) =>
      new GraphQLEnumType({ ...type.toConfig(), name: typeName(type.name, names) }),
    [MapperKind.INPUT_OBJECT_TYPE]: (type) =>
      new GraphQLInputObjectType({ ...type.toConfig(), name: typeName(type.name, names) }),
    [MapperKind.ROOT_FIELD]: (field, name) => [fieldName(name, names), field],
  });
}

/** Adds the `@link`, `@composeDirective` and `@key` directives that composition reads. */
function federated(
  document: DocumentNode,
  entities: readonly Entity<never>[],
  names: SubgraphNames,
): DocumentNode {
  const links = parse(`extend schema
    @link(url: "${FEDERATION_URL}", import: ["@key", "@composeDirective", "@cost", "@listSize"])
    @link(url: "${LIMITS_URL}", import: ${JSON.stringify(LIMIT_DIRECTIVES)})
    ${LIMIT_DIRECTIVES.map((name) => `@composeDirective(name: "${name}")`).join('\n')}`);
  const keys = new Map(entities.map(({ type, key }) => [typeName(type, names), keyDirective(key)]));
  const keyed = visit(document, {
    [Kind.OBJECT_TYPE_DEFINITION](node) {
      const key = keys.get(node.name.value);
      return key && { ...node, directives: [...(node.directives ?? []), key] };
    },
  });
  return { kind: Kind.DOCUMENT, definitions: [...links.definitions, ...keyed.definitions] };
}

function keyDirective(key: string): ConstDirectiveNode {
  const [definition] = parse(`type Any @key(fields: "${key}")`, { noLocation: true }).definitions;
  return (definition as unknown as { directives: [ConstDirectiveNode] }).directives[0];
}

/** Translates a map by `Type.field` from the names of the plain schema to those of the subgraph. */
function byNewNames<T>(
  plain: GraphQLSchema,
  byCoordinate: ReadonlyMap<string, T>,
  names: SubgraphNames,
): Map<string, T> {
  return new Map(
    [...byCoordinate].map(([coordinate, value]) => {
      const [type = '', field = ''] = coordinate.split('.');
      const renamed = isRoot(plain, type)
        ? `${type}.${fieldName(field, names)}`
        : `${typeName(type, names)}.${field}`;
      return [renamed, value] as const;
    }),
  );
}

/** Excludes the costs of introspection, whose lists are longer in the subgraph. */
const ownCosts = (plain: GraphQLSchema): WorkWeights =>
  new Map([...readWorkWeights(plain)].filter(([coordinate]) => !coordinate.includes('__')));

function entityRule({ type, key, rootField }: Entity<never>, rules: Rules): EntityRule {
  const rule: FieldRule | undefined = rules.get(rootField);
  if (!rule) throw new Error(`The entity ${type} refers to ${rootField}, which is not a root field`);
  // Field limits count selected fields, and storage limits the arguments of fields. A representation is neither.
  if (rule.fieldLimits.length > 0 || rule.storageArg !== null) {
    throw new Error(
      `The entity ${type} cannot refer to ${rootField}, which has a field limit or a storage quota`,
    );
  }
  return { key, rule };
}
