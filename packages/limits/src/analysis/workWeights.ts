import { getDirectives } from '@graphql-tools/utils';
import {
  type GraphQLField,
  type GraphQLSchema,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isObjectType,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
} from 'graphql';

/** The work behind one field, in units of about what it takes to resolve and return one small field. */
export interface FieldWork {
  /** The work of resolving the field once. */
  weight: number;
  /** Replaces `weight` where it depends on the arguments. */
  weightOf: ((args: Record<string, unknown>) => number) | null;
  /** How many items it returns; 1 if it is not a list. */
  assumedSize: number;
  /** Integer arguments that set the number of items, of this field or of its sized fields. */
  slicingArguments: readonly string[];
  /** The fields of its type that have this number of items; none if it is itself the list. */
  sizedFields: readonly string[];
  /** Validation of the arguments rejects more items than this. */
  maxItems: number;
  /** Fields below it whose size depends on the arguments of this field. */
  sizedOf: ((args: Record<string, unknown>) => { fields: readonly string[]; items: number } | null) | null;
  /** Replaces the slicing arguments where several arguments together set the number of items. */
  itemsOf: ((args: Record<string, unknown>) => number) | null;
}

/** The work of fields by `Type.field`, including introspection. */
export type WorkWeights = ReadonlyMap<string, FieldWork>;

/** What `field.extensions.work` may add to the directives `@cost` and `@listSize`. */
export type WorkExtension = Partial<Pick<FieldWork, 'weightOf' | 'itemsOf' | 'sizedOf' | 'maxItems'>>;

/** Introspection is resolved synchronously, so that the server serves nobody else meanwhile. */
const INTROSPECTION_WEIGHT = 5;
const PLAIN: FieldWork = {
  weight: 1,
  weightOf: null,
  assumedSize: 1,
  slicingArguments: [],
  sizedFields: [],
  maxItems: Number.MAX_SAFE_INTEGER,
  sizedOf: null,
  itemsOf: null,
};
/** The assumed length of a list without `@listSize`. */
const UNKNOWN_SIZE = 10;

/** Reads `@cost` and `@listSize`. Without them a field has a weight of 1, and a list 10 items. */
export function readWorkWeights(schema: GraphQLSchema): WorkWeights {
  const costs = new Map<string, FieldWork>();
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) && !isInterfaceType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      costs.set(`${type.name}.${field.name}`, readField(schema, field));
    }
  }
  for (const [coordinate, cost] of costs) {
    if (coordinate.startsWith('__')) costs.set(coordinate, { ...cost, weight: INTROSPECTION_WEIGHT });
  }
  for (const [coordinate, assumedSize] of introspectionSizes(schema)) {
    costs.set(coordinate, { ...PLAIN, weight: INTROSPECTION_WEIGHT, assumedSize });
  }
  for (const { name } of [SchemaMetaFieldDef, TypeMetaFieldDef]) {
    costs.set(`${schema.getQueryType()?.name}.${name}`, PLAIN);
  }
  return costs;
}

function readField(schema: GraphQLSchema, field: GraphQLField<unknown, unknown>): FieldWork {
  const argsOf = (directive: string) =>
    getDirectives(schema, field).find(({ name }) => name === directive)?.args;
  const listSize = argsOf('listSize');
  const isList = isListType(getNullableType(field.type));
  return {
    ...PLAIN,
    weight: Number(argsOf('cost')?.weight ?? 1),
    assumedSize: Number(listSize?.assumedSize ?? (isList ? UNKNOWN_SIZE : 1)),
    slicingArguments: (listSize?.slicingArguments as string[] | undefined) ?? [],
    sizedFields: (listSize?.sizedFields as string[] | undefined) ?? [],
    ...(field.extensions.work as WorkExtension | undefined),
  };
}

/** How many items a field returns with these arguments. */
export function itemsOf(cost: FieldWork, args: Record<string, unknown>): number {
  if (cost.itemsOf) return cost.itemsOf(args);
  const sizes = cost.slicingArguments.map((name) => args[name]).filter((size) => typeof size === 'number');
  const items = sizes.length > 0 ? Math.max(...sizes) : cost.assumedSize;
  return Math.min(Math.max(items, 0), cost.maxItems);
}

/**
 * The lengths of introspection's lists depend on the schema. Under `__schema { types }` each list has its average length,
 * which is exact for all types together. Selected from a single type, it has the length of the longest.
 */
export const ALL_TYPES = '(all)';

function introspectionSizes(schema: GraphQLSchema): Map<string, number> {
  const types = Object.values(schema.getTypeMap());
  const fields = types.map((type) =>
    isObjectType(type) || isInterfaceType(type) ? Object.values(type.getFields()) : [],
  );
  const args = fields.flat().map((field) => field.args.length);
  const lengths: Record<string, number[]> = {
    '__Type.fields': fields.map(({ length }) => length),
    '__Type.inputFields': types.map((type) =>
      isInputObjectType(type) ? Object.keys(type.getFields()).length : 0,
    ),
    '__Type.enumValues': types.map((type) => (isEnumType(type) ? type.getValues().length : 0)),
    '__Type.interfaces': types.map((type) => (isObjectType(type) ? type.getInterfaces().length : 0)),
    '__Type.possibleTypes': types.map((type) =>
      isInterfaceType(type) ? schema.getPossibleTypes(type).length : 0,
    ),
    '__Field.args': args,
  };
  const sizes = new Map<string, number>([
    ['__Schema.types', types.length],
    ['__Schema.directives', schema.getDirectives().length],
    ['__Directive.args', Math.max(...schema.getDirectives().map((directive) => directive.args.length))],
    ['__Directive.locations', 1],
  ]);
  for (const [coordinate, each] of Object.entries(lengths)) {
    sizes.set(coordinate, Math.max(0, ...each));
    const sum = each.reduce((total, length) => total + length, 0);
    sizes.set(ALL_TYPES + coordinate, each.length > 0 ? sum / each.length : 0);
  }
  return sizes;
}

/** Sums the work of an operation. */
export interface WorkCount {
  add(coordinate: string, units: number): void;
  /** The sum, in whole units. */
  total(): number;
  /** The field with the largest part of the total. */
  heaviest(): string;
}

export function createWorkCount(): WorkCount {
  const byField = new Map<string, number>();
  return {
    add(coordinate, units) {
      byField.set(coordinate, (byField.get(coordinate) ?? 0) + units);
    },
    total() {
      let sum = 0;
      for (const units of byField.values()) sum += units;
      return Math.min(Math.ceil(sum), Number.MAX_SAFE_INTEGER);
    },
    heaviest() {
      let [heaviest, most] = ['', -1];
      for (const [coordinate, units] of byField) if (units >= most) [heaviest, most] = [coordinate, units];
      return heaviest;
    },
  };
}

/** The fields that every schema has in addition to its own. */
export function metaField(name: string, isQueryRoot: boolean): GraphQLField<unknown, unknown> | undefined {
  if (name === TypeNameMetaFieldDef.name) return TypeNameMetaFieldDef;
  if (!isQueryRoot) return undefined;
  return [SchemaMetaFieldDef, TypeMetaFieldDef].find((field) => field.name === name);
}
