import {
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type FragmentSpreadNode,
  type GraphQLCompositeType,
  type GraphQLField,
  GraphQLIncludeDirective,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getArgumentValues,
  getDirectiveValues,
  getNamedType,
  getNullableType,
  type InlineFragmentNode,
  isAbstractType,
  isCompositeType,
  isListType,
  isObjectType,
  isUnionType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import { badInput, inputRejectedByGraphql, operationTooExpensive } from '../errors.js';
import type { FieldLimit } from '../fieldLimit.js';
import { countEntities, type EntityRule, type EntityRules } from './entities.js';
import type { Access, FieldRule, Rules } from './rules.js';
import {
  ALL_TYPES,
  createWorkCount,
  type FieldWork,
  itemsOf,
  metaField,
  type WorkWeights,
} from './workWeights.js';

/** A selected field that has a rule. */
export interface PlannedField {
  rule: FieldRule;
  /** The response name of its root field, by which errors are matched to charges. */
  rootKey: string;
  /** Its calls: the rule's cost for each item of a list argument and each entity. */
  calls: number;
  /** The endpoint that the calls are recorded for. */
  endpoint: string;
  /** Written together with its charge if the field has an idempotency key. */
  mark?: string;
  /** The value of the argument that `@storageQuota` names. */
  stores: unknown;
}

export interface RootSelection {
  key: string;
  /** null for a field without a rule, such as federation's own. */
  rule: FieldRule | null;
  args: Record<string, unknown>;
}

/** What an operation selects, computed from its document before anything runs. */
export interface OperationPlan {
  roots: RootSelection[];
  fields: PlannedField[];
  access: Access[];
  /** Whether it selects a field that costs calls. */
  metered: boolean;
  calls: number;
  features: string[];
  fieldLimits: FieldLimit[];
  /** Its work in the units of `@cost`; null if it was not computed. */
  work: { cost: number; heaviestField: string } | null;
}

const MAX_SELECTIONS = 5_000;
const MAX_ROOT_FIELDS = 500;
const NO_ENTITIES: EntityRules = new Map();
/** Under `__schema { types }` these return, for all types together, what the schema has. */
const PARTS_OF_ALL_TYPES: readonly string[] = [
  '__Schema.types',
  '__Type.fields',
  '__Type.inputFields',
  '__Type.enumValues',
  '__Field.args',
];

/** How often the fields of a selection set are resolved, and where. */
interface Scope {
  /** How many entities are charged. A field below a list is charged once. */
  entities: number;
  /** How many objects are resolved: the product of the lengths of the lists above. */
  objects: number;
  /** Fields whose length an argument of the parent field sets. */
  sized: { fields: readonly string[]; items: number } | null;
  /** Whether the selection is made from all types of the schema together. */
  allTypes: boolean;
}

const ROOT: Scope = { entities: 1, objects: 1, sized: null, allTypes: false };
/** The most entities in all `_entities` fields of an operation together. */
const MAX_ENTITIES = 1_000;

/** A field whose arguments contain variables. */
interface VariableArguments {
  field: GraphQLField<unknown, unknown>;
  node: FieldNode;
  /** The index of its root selection; null below the root, and for a root field that is selected again. */
  root: number | null;
}

/** A plan, and what has to be computed again if the variables have other values. */
interface Analysis {
  plan: OperationPlan;
  /** null if the values of variables may change more of the plan than the arguments of its root fields. */
  variableArguments: VariableArguments[] | null;
}

/**
 * @param variables as coerced by graphql
 * @param entities what `_entities` may fetch, where the schema has it
 * @param costs the work of the schema's fields; null: the work of the operation is not computed
 * @throws OPERATION_TOO_EXPENSIVE for an operation that selects too much, BAD_USER_INPUT for entities that do not exist
 *   and for what graphql itself rejects in arguments and directives
 */
export function planOperation(
  schema: GraphQLSchema,
  rules: Rules,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
  entities: EntityRules = NO_ENTITIES,
  costs: WorkWeights | null = null,
): OperationPlan {
  return analyseOperation(schema, rules, document, operation, variables, entities, costs).plan;
}

/** Does what `planOperation` does, for operations of one schema. */
export type Planner = (
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
) => OperationPlan;

/** A cached plan refers to so many fields. A short document can select thousands of them by its fragments. */
const MAX_CACHED_FIELDS = 50;

/**
 * Caches the plans of operations whose documents are parsed once for many requests, unless the plan depends on the values
 * of variables. For the parameters see `planOperation`.
 */
export function createPlanner(
  schema: GraphQLSchema,
  rules: Rules,
  entities: EntityRules = NO_ENTITIES,
  costs: WorkWeights | null = null,
): Planner {
  /** An entry lasts as long as the document. */
  const analysed = new WeakMap<OperationDefinitionNode, Analysis>();
  return (document, operation, variables) => {
    const known = analysed.get(operation);
    if (known) return withArguments(known, variables);
    const analysis = analyseOperation(schema, rules, document, operation, variables, entities, costs);
    const { plan, variableArguments } = analysis;
    if (variableArguments) {
      const fields = variableArguments.length + plan.fields.length + plan.roots.length;
      if (fields <= MAX_CACHED_FIELDS) analysed.set(operation, analysis);
    }
    return plan;
  };
}

/** @throws BAD_USER_INPUT for what graphql itself rejects in the arguments */
function withArguments(
  { plan, variableArguments }: Analysis,
  variables: Record<string, unknown>,
): OperationPlan {
  if (!variableArguments?.length) return plan;
  const roots = [...plan.roots];
  try {
    for (const { field, node, root } of variableArguments) {
      const args = getArgumentValues(field, node, variables);
      const selection = root === null ? undefined : roots[root];
      if (root !== null && selection) roots[root] = { ...selection, args };
    }
  } catch (error) {
    throw inputRejectedByGraphql(error);
  }
  return { ...plan, roots };
}

function analyseOperation(
  schema: GraphQLSchema,
  rules: Rules,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
  entities: EntityRules,
  costs: WorkWeights | null,
): Analysis {
  const rootType = schema.getRootType(operation.operation);
  const isQuery = rootType === schema.getQueryType();
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const roots: RootSelection[] = [];
  const fields: PlannedField[] = [];
  const planned = new Set<string>();
  let seen = 0;
  const fetched = new Map<string, ReadonlyMap<string, number>>();
  let entityCount = 0;
  const work = costs && createWorkCount();
  const variableArguments: VariableArguments[] = [];
  let dependsOnValues = false;

  /** @param path the names of the answer that lead to the selection; empty at the root */
  function walk(
    type: GraphQLCompositeType,
    set: SelectionSetNode,
    path: readonly string[],
    scope: Scope,
  ): void {
    for (const node of set.selections) {
      // Skipped fields and spreads count too, because they are walked.
      if (++seen > MAX_SELECTIONS) {
        const field = node.kind === Kind.FIELD ? `${type.name}.${node.name.value}` : type.name;
        throw operationTooExpensive(`It selects more than ${MAX_SELECTIONS} fields; split it`, {
          cost: seen,
          limit: MAX_SELECTIONS,
          field,
        });
      }
      if (node.directives?.some(hasVariable)) dependsOnValues = true;
      if (!isIncluded(node, variables)) continue;
      if (node.kind === Kind.FIELD) {
        visit(type, node, path, scope);
      } else {
        const fragment = node.kind === Kind.INLINE_FRAGMENT ? node : fragments.get(node.name.value);
        if (!fragment) continue;
        const narrowed = narrow(type, fragment.typeCondition?.name.value);
        if (narrowed) walk(narrowed, fragment.selectionSet, path, scope);
      }
    }
  }

  /** @returns the type that a fragment selects from; null if it never applies to objects of this type */
  function narrow(type: GraphQLCompositeType, condition: string | undefined): GraphQLCompositeType | null {
    if (condition === undefined || condition === type.name) return type;
    const wanted = schema.getType(condition);
    if (!isCompositeType(wanted)) return null;
    if (isObjectType(type)) return isAbstractType(wanted) && schema.isSubType(wanted, type) ? type : null;
    return wanted;
  }

  function visit(
    type: GraphQLCompositeType,
    node: FieldNode,
    parents: readonly string[],
    scope: Scope,
  ): void {
    const name = node.name.value;
    // A union has only __typename.
    const field =
      (isUnionType(type) ? undefined : type.getFields()[name]) ??
      metaField(name, type === rootType && isQuery);
    if (!field) return;
    const coordinate = `${type.name}.${name}`;
    const rule = rules.get(coordinate) ?? null;
    const isRoot = parents.length === 0;
    // Invalid arguments are found here, because the execution would reject them only after the operation was charged.
    const args = field.args.length > 0 ? getArgumentValues(field, node, variables) : NO_ARGUMENTS;
    const items = longestList(field, args);
    const cost = costs?.get(fieldKey(coordinate, scope)) ?? null;
    const variable: VariableArguments | null = hasVariable(node) ? { field, node, root: null } : null;
    if (variable) {
      variableArguments.push(variable);
      if (isSizedByArguments(field, rule, cost)) dependsOnValues = true;
    }
    work?.add(coordinate, scope.objects * items * (cost?.weightOf?.(args) ?? cost?.weight ?? 1));
    // Most fields have no rule and nothing below them.
    if (!rule && !node.selectionSet && !isRoot) return;
    const path = [...parents, node.alias?.value ?? name];
    const rootKey = path[0] as string;
    const named = getNamedType(field.type);
    if (isRoot && name === '_entities' && entities.size > 0) visitEntities(rootKey, args, node);
    else if (node.selectionSet && isCompositeType(named))
      walk(named, node.selectionSet, path, below(coordinate, scope, cost, args, items));
    // A field that is selected twice under one name is executed once. In an abstract type each part may be of another object.
    const pathName = isRoot ? rootKey : `${path.join('.')}:${type.name}`;
    if (planned.has(pathName)) return;
    planned.add(pathName);
    if (isRoot && !name.startsWith('__')) {
      if (roots.length === MAX_ROOT_FIELDS) {
        throw operationTooExpensive(`It selects more than ${MAX_ROOT_FIELDS} root fields; split it`, {
          cost: roots.length + 1,
          limit: MAX_ROOT_FIELDS,
          field: coordinate,
        });
      }
      if (variable) variable.root = roots.length;
      roots.push({ key: rootKey, rule, args });
    }
    if (rule) {
      fields.push({
        rule,
        rootKey,
        calls: (rule.cost ?? 0) * items * scope.entities,
        endpoint: isRoot ? fieldNameOf(rule) : rule.coordinate,
        stores: rule.storageArg === null ? undefined : args[rule.storageArg],
      });
    }
  }

  const fieldKey = (coordinate: string, { allTypes }: Scope): string =>
    allTypes && costs?.has(ALL_TYPES + coordinate) ? ALL_TYPES + coordinate : coordinate;

  /** @param repeats how often the field is resolved for each object, by the items of its list arguments */
  function below(
    coordinate: string,
    { entities, objects, sized, allTypes }: Scope,
    cost: FieldWork | null,
    args: Record<string, unknown>,
    repeats: number,
  ): Scope {
    if (!cost) return { entities, objects, sized: null, allTypes: false };
    const items = itemsOf(cost, args);
    const isSized = sized?.fields.includes(coordinate.slice(coordinate.indexOf('.') + 1)) === true;
    const own = cost.sizedFields.length > 0 ? 1 : items;
    return {
      entities,
      objects: objects * repeats * (isSized ? sized.items : own),
      sized:
        cost.sizedFields.length > 0 ? { fields: cost.sizedFields, items } : (cost.sizedOf?.(args) ?? null),
      allTypes: (allTypes || coordinate === '__Schema.types') && PARTS_OF_ALL_TYPES.includes(coordinate),
    };
  }

  /** Walks the selection of `_entities` once for each type that it fetches. */
  function visitEntities(rootKey: string, args: Record<string, unknown>, node: FieldNode): void {
    for (const [name, count] of fetch(rootKey, args.representations as unknown[])) {
      const type = schema.getType(name);
      const scope = { ...ROOT, entities: count, objects: count };
      if (node.selectionSet && isObjectType(type)) walk(type, node.selectionSet, [rootKey, name], scope);
    }
  }

  /** @returns how many entities of each type are fetched under a name of the answer */
  function fetch(rootKey: string, representations: readonly unknown[]): ReadonlyMap<string, number> {
    const known = fetched.get(rootKey);
    if (known) return known;
    entityCount += representations.length;
    if (entityCount > MAX_ENTITIES)
      throw badInput('representations', `has more than ${MAX_ENTITIES} items (${entityCount}); split it`);
    const counts = countEntities(entities, representations);
    fetched.set(rootKey, counts);
    for (const [name, count] of counts) {
      const { rule } = entities.get(name) as EntityRule;
      const calls = (rule?.cost ?? 0) * count;
      if (rule) work?.add(rule.coordinate, count * (costs?.get(rule.coordinate)?.weight ?? 1));
      if (rule) fields.push({ rule, rootKey, calls, endpoint: fieldNameOf(rule), stores: undefined });
    }
    return counts;
  }

  try {
    if (rootType) walk(rootType, operation.selectionSet, [], ROOT);
  } catch (error) {
    throw inputRejectedByGraphql(error);
  }
  const plan: OperationPlan = {
    roots,
    fields,
    access: fields.flatMap(({ rule }) => (rule.access ? [rule.access] : [])),
    metered: fields.some(({ calls }) => calls > 0),
    calls: fields.reduce((sum, { calls }) => sum + calls, 0),
    features: [...new Set(fields.flatMap(({ rule }) => rule.features))],
    fieldLimits: fields.flatMap(({ rule }) => rule.fieldLimits),
    work: work && { cost: work.total(), heaviestField: work.heaviest() },
  };
  return { plan, variableArguments: dependsOnValues ? null : variableArguments };
}

const NO_ARGUMENTS: Record<string, unknown> = {};

/** Whether an argument of the field or directive is or contains a variable. */
const hasVariable = ({ arguments: args }: FieldNode | DirectiveNode): boolean =>
  args?.some(({ value }) => containsVariable(value)) === true;

function containsVariable(value: ValueNode): boolean {
  if (value.kind === Kind.LIST) return value.values.some(containsVariable);
  if (value.kind === Kind.OBJECT) return value.fields.some((field) => containsVariable(field.value));
  return value.kind === Kind.VARIABLE;
}

/** Whether the values of its arguments decide what the field costs, how much it returns or what it stores. */
function isSizedByArguments(
  { args }: GraphQLField<unknown, unknown>,
  rule: FieldRule | null,
  cost: FieldWork | null,
): boolean {
  if (rule && rule.storageArg !== null) return true;
  if (cost && (cost.weightOf || cost.itemsOf || cost.sizedOf || cost.slicingArguments.length > 0))
    return true;
  return args.some(({ type }) => isListType(getNullableType(type)));
}

/** A field with a list argument does its work and costs its calls for each item, and at least once. */
function longestList(field: GraphQLField<unknown, unknown>, args: Record<string, unknown>): number {
  let longest = 1;
  for (const { name, type } of field.args) {
    const value = args[name];
    if (Array.isArray(value) && isListType(getNullableType(type))) longest = Math.max(longest, value.length);
  }
  return longest;
}

const fieldNameOf = ({ coordinate }: FieldRule): string => coordinate.slice(coordinate.indexOf('.') + 1);

function isIncluded(
  node: FieldNode | FragmentSpreadNode | InlineFragmentNode,
  variables: Record<string, unknown>,
): boolean {
  if (!node.directives?.length) return true;
  if (getDirectiveValues(GraphQLSkipDirective, node, variables)?.if === true) return false;
  return getDirectiveValues(GraphQLIncludeDirective, node, variables)?.if !== false;
}
