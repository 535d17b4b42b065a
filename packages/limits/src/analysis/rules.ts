import { getDirectives } from '@graphql-tools/utils';
import {
  type GraphQLField,
  type GraphQLInterfaceType,
  type GraphQLObjectType,
  type GraphQLSchema,
  GraphQLString,
  isEnumType,
  isInterfaceType,
  isObjectType,
} from 'graphql';
import type { ApiKeyScope } from '../apiKeyScope.js';
import { MAX_COST, MAX_ENDPOINT_LENGTH } from '../bounds.js';
import { errorList } from '../errors.js';
import { type FieldLimit, parseWindow } from '../fieldLimit.js';
import { directiveDefinitions } from './definitions.js';

/** Who may select a root field. */
export type Access =
  | { kind: 'public' }
  /** A tenant's key with the scope, or an operator's key with the role; with `service`, also a service's key. */
  | { kind: 'scope'; scope: ApiKeyScope; role: string; service?: true }
  | { kind: 'service' }
  | { kind: 'role'; role: string };

/**
 * A check of arguments that the constraints of their classes cannot say, made before anything is charged or run.
 * @throws BAD_USER_INPUT
 */
// biome-ignore lint/suspicious/noExplicitAny: each field's check names the type of its own arguments, which no common type could
export type ArgumentCheck = (args: any, nowMs: number) => void;

/** What the directives and the access decorator of a field require. */
export interface FieldRule {
  /** `Type.field` */
  coordinate: string;
  /** The calls that it costs; null if it is not metered. */
  cost: number | null;
  /** Its own limits; for a field of an interface those of all its implementations. */
  fieldLimits: FieldLimit[];
  /** The features that the field and its type require. */
  features: string[];
  /** The argument that holds what is stored. */
  storageArg: string | null;
  /** The catalogue's name for what is stored; null: memories. */
  storedResource: string | null;
  /** Only on root fields. */
  access: Access | null;
  check: ArgumentCheck | null;
  /** The list argument whose items are accepted or rejected one by one. */
  oneByOne: string | null;
}

/** Rules by `Type.field`. A field that requires nothing has none. */
export type Rules = ReadonlyMap<string, FieldRule>;

/** A schema may define the directives itself. Arguments that only its definitions have would have no effect. */
const ARGUMENTS = new Map(
  directiveDefinitions(GraphQLString).map(({ name, args }) => [name, args.map((arg) => arg.name)]),
);
const NONE: ReadonlySet<string> = new Set();

export interface RulesOptions {
  /** The catalogue's features. undefined: the values of the schema's enum `Feature`. null: unknown, so not checked. */
  features?: ReadonlySet<string> | null;
  /** The resources that may be stored, except memories. null: unknown, so not checked. Default: none. */
  resources?: ReadonlySet<string> | null;
  /** Whether the schema stores memories. If not, each `@storageQuota` must name a resource. Default: true. */
  storesMemories?: boolean;
  /** Whether each root field must have an access decorator. */
  needAccess: boolean;
}

/**
 * Reads the directives of a schema.
 * @throws an Error that lists every invalid argument, with its field
 */
export function readRules(schema: GraphQLSchema, options: RulesOptions = { needAccess: true }): Rules {
  const { features = featuresOf(schema), resources = NONE, storesMemories = true, needAccess } = options;
  const errors: string[] = [];
  const rules = new Map<string, FieldRule>();
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));
  for (const type of types) {
    if (!isObjectType(type) && !isInterfaceType(type)) continue;
    const isRoot = isObjectType(type) && roots.includes(type);
    for (const field of Object.values(type.getFields())) {
      const rule = readField({
        schema,
        type,
        field,
        features,
        resources,
        storesMemories,
        isRoot,
        needAccess,
        errors,
      });
      if (rule) rules.set(rule.coordinate, rule);
    }
  }
  for (const type of types.filter(isInterfaceType)) {
    for (const field of Object.keys(type.getFields())) {
      const rule = commonRule(schema, type, field, rules);
      if (rule) rules.set(rule.coordinate, rule);
    }
  }
  if (errors.length > 0) throw new Error(errorList("The schema's directives have", errors));
  return rules;
}

function featuresOf(schema: GraphQLSchema): ReadonlySet<string> {
  const type = schema.getType('Feature');
  return new Set(isEnumType(type) ? type.getValues().map(({ name }) => name) : []);
}

/**
 * The rule of a field that is selected from an interface. The type of the object is unknown before the operation runs, so
 * the rule is as strict as the strictest implementation.
 */
function commonRule(
  schema: GraphQLSchema,
  type: GraphQLInterfaceType,
  field: string,
  rules: Rules,
): FieldRule | null {
  const coordinate = `${type.name}.${field}`;
  const all = [type, ...schema.getPossibleTypes(type)].flatMap(
    ({ name }) => rules.get(`${name}.${field}`) ?? [],
  );
  const [first] = all;
  if (!first) return null;
  const costs = all.flatMap(({ cost }) => cost ?? []);
  return {
    ...first,
    coordinate,
    cost: costs.length > 0 ? Math.max(...costs) : null,
    fieldLimits: all.flatMap(({ fieldLimits }) => fieldLimits),
    features: [...new Set(all.flatMap(({ features }) => features))],
  };
}

interface FieldToRead {
  schema: GraphQLSchema;
  type: GraphQLObjectType | GraphQLInterfaceType;
  field: GraphQLField<unknown, unknown>;
  features: ReadonlySet<string> | null;
  resources: ReadonlySet<string> | null;
  storesMemories: boolean;
  isRoot: boolean;
  needAccess: boolean;
  errors: string[];
}

function readField(read: FieldToRead): FieldRule | null {
  const { schema, type, field, isRoot, errors } = read;
  const coordinate = `${type.name}.${field.name}`;
  const report = (directive: string, problem: string) =>
    errors.push(`${coordinate} @${directive}: ${problem}`);
  /** A use of a directive that does not match its definition is an error. */
  const usesOn = (node: typeof field | typeof type) => {
    try {
      return getDirectives(schema, node);
    } catch (error) {
      errors.push(`${coordinate}: ${(error as Error).message}`);
      return [];
    }
  };
  const uses = usesOn(field);
  const typeUses = usesOn(type);
  for (const { name, args } of [...typeUses, ...uses]) {
    const known = ARGUMENTS.get(name);
    for (const arg of Object.keys(args ?? {}).filter((arg) => known?.includes(arg) === false)) {
      report(name, `has no argument "${arg}": only ${known?.join(', ')}`);
    }
  }
  const argsOf = (directive: string) => uses.find(({ name }) => name === directive)?.args;
  const rateLimited = argsOf('rateLimited');
  const storageQuota = argsOf('storageQuota');
  const features = [...typeUses, ...uses]
    .filter(({ name }) => name === 'requiresFeature')
    .map(({ args }) => String(args?.feature));

  const cost = rateLimited ? Number(rateLimited.cost ?? 1) : null;
  if (cost !== null && !(Number.isInteger(cost) && cost >= 0 && cost <= MAX_COST)) {
    report('rateLimited', `cost must be a whole number from 0 to ${MAX_COST}, not ${cost}`);
  }
  if (cost && coordinate.length > MAX_ENDPOINT_LENGTH) {
    report(
      'rateLimited',
      `"Type.field" is counted by its name, of at most ${MAX_ENDPOINT_LENGTH} characters`,
    );
  }
  const fieldLimit = rateLimited ? readFieldLimit(coordinate, rateLimited, report) : null;

  const storageArg = storageQuota ? String(storageQuota.arg ?? 'input') : null;
  if (storageArg !== null && !field.args.some((arg) => arg.name === storageArg)) {
    report('storageQuota', `the field has no argument "${storageArg}"`);
  }
  if (storageArg !== null && !isRoot) {
    // How often a nested field is executed is unknown before it runs.
    report('storageQuota', 'only a field of Query, Mutation or Subscription can store');
  }
  const storedResource = storageQuota?.resource == null ? null : String(storageQuota.resource);
  if (storedResource !== null && read.resources && !read.resources.has(storedResource)) {
    report('storageQuota', `the catalogue has no resource ${storedResource}`);
  }
  if (storageArg !== null && storedResource === null && !read.storesMemories) {
    report('storageQuota', 'must name the resource of the catalogue that is stored');
  }
  for (const feature of features) {
    if (read.features && !read.features.has(feature))
      report('requiresFeature', `the catalogue has no feature ${feature}`);
  }
  const access = (field.extensions.access as Access | undefined) ?? null;
  if (read.needAccess && isRoot && access === null)
    errors.push(
      `${coordinate} has no access decorator: add @PublicAccess, @RequiresScope(…), @RequiresRole(…) or @ServiceOnly`,
    );
  const asksNothing = cost === null && features.length === 0 && storageArg === null && access === null;
  const check = (field.extensions.check as ArgumentCheck | undefined) ?? null;
  const oneByOne = (field.extensions.oneByOne as string | undefined) ?? null;
  return asksNothing
    ? null
    : {
        coordinate,
        cost,
        fieldLimits: fieldLimit ? [fieldLimit] : [],
        features,
        storageArg,
        storedResource,
        access,
        check,
        oneByOne,
      };
}

function readFieldLimit(
  field: string,
  { max, window }: Record<string, unknown>,
  report: (directive: string, problem: string) => void,
): FieldLimit | null {
  if (max == null && window == null) return null;
  if (max == null || window == null) {
    report('rateLimited', 'max and window go together');
    return null;
  }
  // graphql-rate-limit replaces 0 by its default of 5, and applies no limit for a window that it cannot parse.
  if (!(Number.isInteger(max) && Number(max) >= 1 && Number(max) <= 10_000)) {
    report('rateLimited', `max must be a whole number from 1 to 10000, not ${max}`);
  }
  if (parseWindow(String(window)) === null) {
    report('rateLimited', `window must be a time such as 10s, 5m or 1d, at most 31d, not "${window}"`);
  }
  return { field, max: Number(max), window: String(window) };
}
