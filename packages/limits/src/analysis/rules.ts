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
import { errorList } from '../errorList.js';
import { type FieldLimit, parseWindow } from '../fieldLimit.js';
import { directiveDefinitions } from './definitions.js';

/** Who may select a root field. */
export type Access =
  | { kind: 'public' }
  | { kind: 'scope'; scope: ApiKeyScope }
  | { kind: 'service' }
  | { kind: 'operator' };

/**
 * A check of arguments that the constraints of their classes cannot say, made before anything is charged or run.
 * @throws BAD_USER_INPUT
 */
// biome-ignore lint/suspicious/noExplicitAny: each field's arguments have a type of their own
export type ArgumentCheck = (args: any, nowMs: number) => void;

/** What the directives and the access rule ask of one field. */
export interface FieldRule {
  /** `Type.field` */
  coordinate: string;
  /** Calls it costs; null: not metered. */
  cost: number | null;
  /** Its own; of an interface's field those of all that may be behind it. */
  fieldLimits: FieldLimit[];
  /** Its own and its type's. */
  features: string[];
  /** The argument that names what is stored. */
  storageArg: string | null;
  /** The catalogue's name of it; null: memories. */
  storedResource: string | null;
  /** Root fields only. */
  access: Access | null;
  check: ArgumentCheck | null;
  /** The list argument whose items are taken one by one. */
  oneByOne: string | null;
}

/** Rules by `Type.field`; fields that ask nothing are not in it. */
export type Rules = ReadonlyMap<string, FieldRule>;

/** A schema may bring definitions of its own: what they take besides would ask nothing. */
const ARGUMENTS = new Map(
  directiveDefinitions(GraphQLString).map(({ name, args }) => [name, args.map((arg) => arg.name)]),
);
const NONE: ReadonlySet<string> = new Set();

export interface RulesOptions {
  /** Of the catalogue; undefined: the values of the schema's enum `Feature`; null: not known, and so not checked. */
  features?: ReadonlySet<string> | null;
  /** What may be stored besides memories; null: not known, and so not checked. Default: nothing. */
  resources?: ReadonlySet<string> | null;
  /** Whether the schema stores memories; if not, each `@storageQuota` names a resource. Default: it does. */
  storesMemories?: boolean;
  /** Whether each root field must say who may select it. */
  needAccess: boolean;
}

/**
 * Reads the directives of a schema, once.
 * @throws an Error that lists every argument that makes no sense, with its field
 */
export function readRules(schema: GraphQLSchema, options: RulesOptions = { needAccess: true }): Rules {
  const { features = featuresOf(schema), resources = NONE, storesMemories = true, needAccess } = options;
  const faults: string[] = [];
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
        faults,
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
  if (faults.length > 0) throw new Error(errorList("The schema's directives have", faults));
  return rules;
}

function featuresOf(schema: GraphQLSchema): ReadonlySet<string> {
  const type = schema.getType('Feature');
  return new Set(isEnumType(type) ? type.getValues().map(({ name }) => name) : []);
}

/**
 * What a field asks where an interface is selected from, and the type of the object is not known before it runs: as much
 * as any of its implementations does.
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
  faults: string[];
}

function readField(read: FieldToRead): FieldRule | null {
  const { schema, type, field, isRoot, faults } = read;
  const coordinate = `${type.name}.${field.name}`;
  const fault = (directive: string, problem: string) =>
    faults.push(`${coordinate} @${directive}: ${problem}`);
  /** A use of a directive that does not fit its definition is a fault. */
  const usesOn = (node: typeof field | typeof type) => {
    try {
      return getDirectives(schema, node);
    } catch (error) {
      faults.push(`${coordinate}: ${(error as Error).message}`);
      return [];
    }
  };
  const uses = usesOn(field);
  const typeUses = usesOn(type);
  for (const { name, args } of [...typeUses, ...uses]) {
    const known = ARGUMENTS.get(name);
    for (const arg of Object.keys(args ?? {}).filter((arg) => known?.includes(arg) === false)) {
      fault(name, `has no argument "${arg}": only ${known?.join(', ')}`);
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
    fault('rateLimited', `cost must be a whole number from 0 to ${MAX_COST}, not ${cost}`);
  }
  if (cost && coordinate.length > MAX_ENDPOINT_LENGTH) {
    fault('rateLimited', `"Type.field" is counted by its name, of at most ${MAX_ENDPOINT_LENGTH} characters`);
  }
  const fieldLimit = rateLimited ? readFieldLimit(coordinate, rateLimited, fault) : null;

  const storageArg = storageQuota ? String(storageQuota.arg ?? 'input') : null;
  if (storageArg !== null && !field.args.some((arg) => arg.name === storageArg)) {
    fault('storageQuota', `the field has no argument "${storageArg}"`);
  }
  if (storageArg !== null && !isRoot) {
    // How often it is executed is not known before it runs.
    fault('storageQuota', 'only a field of Query, Mutation or Subscription can store');
  }
  const storedResource = storageQuota?.resource == null ? null : String(storageQuota.resource);
  if (storedResource !== null && read.resources && !read.resources.has(storedResource)) {
    fault('storageQuota', `the catalogue has no resource ${storedResource}`);
  }
  if (storageArg !== null && storedResource === null && !read.storesMemories) {
    fault('storageQuota', 'must name the resource of the catalogue that is stored');
  }
  for (const feature of features) {
    if (read.features && !read.features.has(feature))
      fault('requiresFeature', `the catalogue has no feature ${feature}`);
  }
  const access = (field.extensions.access as Access | undefined) ?? null;
  if (read.needAccess && isRoot && access === null)
    faults.push(
      `${coordinate} has no access decorator: add @PublicAccess, @RequiresScope(…), @ServiceOnly or @OperatorOnly`,
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
  fault: (directive: string, problem: string) => void,
): FieldLimit | null {
  if (max == null && window == null) return null;
  if (max == null || window == null) {
    fault('rateLimited', 'max and window go together');
    return null;
  }
  // graphql-rate-limit takes 0 for its default of 5, and an unparseable window for no limit.
  if (!(Number.isInteger(max) && Number(max) >= 1 && Number(max) <= 10_000)) {
    fault('rateLimited', `max must be a whole number from 1 to 10000, not ${max}`);
  }
  if (parseWindow(String(window)) === null) {
    fault('rateLimited', `window must be a time such as 10s, 5m or 1d, at most 31d, not "${window}"`);
  }
  return { field, max: Number(max), window: String(window) };
}
