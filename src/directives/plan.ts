import {
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
  getVariableValues,
  type InlineFragmentNode,
  isAbstractType,
  isCompositeType,
  isListType,
  isObjectType,
  isUnionType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { badInput } from '../errors.js';
import type { FieldLimit } from '../services/admission/fieldLimit.js';
import type { Access } from './access.js';
import { countEntities, type EntityRule, type EntityRules } from './entities.js';
import type { FieldRule, Rules } from './rules.js';

/** One selected field that asks something. */
export interface PlannedField {
  rule: FieldRule;
  /** The name of the root field's answer under which it lies: tells which charges failed. */
  rootKey: string;
  /** Calls: the rule's cost, for each item of a list argument and each entity. */
  calls: number;
  /** The endpoint that the calls are recorded for. */
  endpoint: string;
  /** The value of the argument that `@storageQuota` names. */
  stores: unknown;
}

export interface RootSelection {
  key: string;
  /** null: federation's own fields. */
  rule: FieldRule | null;
  args: Record<string, unknown>;
}

/** What an operation asks for, worked out from the document before anything runs. */
export interface OperationPlan {
  roots: RootSelection[];
  fields: PlannedField[];
  access: Access[];
  /** Whether it selects a field that costs calls. */
  metered: boolean;
  calls: number;
  features: string[];
  fieldLimits: FieldLimit[];
}

const MAX_SELECTIONS = 5_000;
const MAX_ROOT_FIELDS = 500;
const NO_ENTITIES: EntityRules = new Map();
/** Of all `_entities` fields of an operation together. */
const MAX_ENTITIES = 1_000;

/**
 * @param variables as coerced by graphql
 * @param entities what `_entities` may fetch, where the schema has it
 * @throws BAD_USER_INPUT for an operation that selects too much, or entities that do not exist
 */
export function planOperation(
  schema: GraphQLSchema,
  rules: Rules,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
  entities: EntityRules = NO_ENTITIES,
): OperationPlan {
  const rootType = schema.getRootType(operation.operation);
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

  /**
   * @param path the names of the answer that lead to the selection; empty at the root
   * @param times for how many entities it is executed
   */
  function walk(
    type: GraphQLCompositeType,
    set: SelectionSetNode,
    path: readonly string[],
    times: number,
  ): void {
    for (const node of set.selections) {
      // Also what is left out, and spreads: they have to be walked.
      if (++seen > MAX_SELECTIONS)
        throw badInput('query', `selects more than ${MAX_SELECTIONS} fields; split it`);
      if (!isIncluded(node, variables)) continue;
      if (node.kind === Kind.FIELD) {
        visit(type, node, path, times);
      } else {
        const fragment = node.kind === Kind.INLINE_FRAGMENT ? node : fragments.get(node.name.value);
        if (!fragment) continue;
        const narrowed = narrow(type, fragment.typeCondition?.name.value);
        if (narrowed) walk(narrowed, fragment.selectionSet, path, times);
      }
    }
  }

  /** @returns the type that a fragment selects from; null: objects of this type have no part in it */
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
    times: number,
  ): void {
    // A union has but __typename.
    const field = isUnionType(type) ? undefined : type.getFields()[node.name.value];
    if (!field) return;
    const rule = rules.get(`${type.name}.${field.name}`) ?? null;
    // Most fields: nothing is below them, and no rule is theirs.
    if (!rule && !node.selectionSet && parents.length > 0) return;
    const path = [...parents, node.alias?.value ?? node.name.value];
    const rootKey = path[0] as string;
    const isRoot = path.length === 1;
    const named = getNamedType(field.type);
    if (isRoot && node.name.value === '_entities' && entities.size > 0) visitEntities(rootKey, field, node);
    else if (node.selectionSet && isCompositeType(named)) walk(named, node.selectionSet, path, times);
    // Selected twice under one name it is still executed once. Of an abstract type each part may be another object's.
    const pathName = isRoot ? rootKey : `${path.join('.')}:${type.name}`;
    if (planned.has(pathName)) return;
    planned.add(pathName);
    const args = isRoot || rule ? getArgumentValues(field, node, variables) : {};
    if (isRoot) {
      if (roots.length === MAX_ROOT_FIELDS) {
        throw badInput('query', `selects more than ${MAX_ROOT_FIELDS} root fields; split it`);
      }
      roots.push({ key: rootKey, rule, args });
    }
    if (rule) {
      const lists = field.args.filter((arg) => isListType(getNullableType(arg.type)));
      const items = lists.map((arg) =>
        Array.isArray(args[arg.name]) ? (args[arg.name] as unknown[]).length : 1,
      );
      fields.push({
        rule,
        rootKey,
        calls: (rule.cost ?? 0) * Math.max(1, ...items) * times,
        endpoint: isRoot ? fieldNameOf(rule) : rule.coordinate,
        stores: rule.storageArg === null ? undefined : args[rule.storageArg],
      });
    }
  }

  /** `_entities`: each type that it fetches has a part in its selection. */
  function visitEntities(rootKey: string, field: GraphQLField<unknown, unknown>, node: FieldNode): void {
    const { representations } = getArgumentValues(field, node, variables);
    for (const [name, count] of fetch(rootKey, representations as unknown[])) {
      const type = schema.getType(name);
      if (node.selectionSet && isObjectType(type)) walk(type, node.selectionSet, [rootKey, name], count);
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
      if (rule) fields.push({ rule, rootKey, calls, endpoint: fieldNameOf(rule), stores: undefined });
    }
    return counts;
  }

  if (rootType) walk(rootType, operation.selectionSet, [], 1);
  return {
    roots,
    fields,
    access: fields.flatMap(({ rule }) => (rule.access ? [rule.access] : [])),
    metered: fields.some(({ calls }) => calls > 0),
    calls: fields.reduce((sum, { calls }) => sum + calls, 0),
    features: [...new Set(fields.flatMap(({ rule }) => rule.features))],
    fieldLimits: fields.flatMap(({ rule }) => rule.fieldLimits),
  };
}

/** @returns null for variables that do not fit: the execution tells so, and runs nothing */
export function coerceVariables(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  given: Record<string, unknown> | null | undefined,
): Record<string, unknown> | null {
  const result = getVariableValues(schema, operation.variableDefinitions ?? [], given ?? {}, {
    maxErrors: 1,
  });
  return result.coerced ?? null;
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
