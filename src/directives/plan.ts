import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type FragmentSpreadNode,
  type GraphQLField,
  GraphQLIncludeDirective,
  type GraphQLObjectType,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getArgumentValues,
  getDirectiveValues,
  getNamedType,
  getNullableType,
  type InlineFragmentNode,
  isListType,
  isObjectType,
  isUnionType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { badInput } from '../errors.js';
import type { FieldLimit } from '../services/admission/fieldLimits.js';
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
  entities: EntityRules = new Map(),
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

  /** What is left of a selection: fields, and fragments with their type conditions. */
  function* selected(
    set: SelectionSetNode,
  ): Generator<FieldNode | FragmentDefinitionNode | InlineFragmentNode> {
    for (const node of set.selections) {
      // Also what is left out, and spreads: they have to be walked.
      if (++seen > MAX_SELECTIONS)
        throw badInput('query', `selects more than ${MAX_SELECTIONS} fields; split it`);
      if (!isIncluded(node, variables)) continue;
      const target = node.kind === Kind.FRAGMENT_SPREAD ? fragments.get(node.name.value) : node;
      if (target) yield target;
    }
  }

  /**
   * @param path the names of the answer that lead to the selection; empty at the root
   * @param times for how many entities it is executed
   */
  function walk(
    type: GraphQLObjectType,
    set: SelectionSetNode,
    path: readonly string[],
    times: number,
  ): void {
    for (const node of selected(set)) {
      if (node.kind === Kind.FIELD) visit(type, node, path, times);
      // A condition on an object names the type at hand, or validation refused it.
      else walk(type, node.selectionSet, path, times);
    }
  }

  function visit(type: GraphQLObjectType, node: FieldNode, parents: readonly string[], times: number): void {
    const field = type.getFields()[node.name.value];
    if (!field) return;
    const path = [...parents, node.alias?.value ?? node.name.value];
    const named = getNamedType(field.type);
    if (node.selectionSet && isObjectType(named)) walk(named, node.selectionSet, path, times);
    // Selected twice under one name it is still executed once.
    const pathName = path.join('.');
    const isAgain = planned.has(pathName);
    planned.add(pathName);
    if (!isAgain) planField(field, node, `${type.name}.${field.name}`, path, times);
    // The schema has one abstract type: what `_entities` returns.
    if (node.selectionSet && isUnionType(named)) walkEntities(node.selectionSet, path);
  }

  function planField(
    field: GraphQLField<unknown, unknown>,
    node: FieldNode,
    coordinate: string,
    path: readonly string[],
    times: number,
  ): void {
    const rootKey = path[0] as string;
    const isRoot = path.length === 1;
    const rule = rules.get(coordinate) ?? null;
    const args = isRoot || rule ? getArgumentValues(field, node, variables) : {};
    if (isRoot) {
      if (roots.length === MAX_ROOT_FIELDS) {
        throw badInput('query', `selects more than ${MAX_ROOT_FIELDS} root fields; split it`);
      }
      roots.push({ key: rootKey, rule, args });
      if (isUnionType(getNamedType(field.type))) planEntities(rootKey, args.representations as unknown[]);
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

  function planEntities(rootKey: string, representations: readonly unknown[]): void {
    entityCount += representations.length;
    if (entityCount > MAX_ENTITIES)
      throw badInput('representations', `has more than ${MAX_ENTITIES} items (${entityCount}); split it`);
    const counts = countEntities(entities, representations);
    fetched.set(rootKey, counts);
    for (const [typeName, count] of counts) {
      const { rule } = entities.get(typeName) as EntityRule;
      const calls = (rule.cost ?? 0) * count;
      fields.push({ rule, rootKey, calls, endpoint: fieldNameOf(rule), stores: undefined });
    }
  }

  function walkEntities(set: SelectionSetNode, path: readonly string[]): void {
    const counts = fetched.get(path[0] as string);
    for (const node of selected(set)) {
      if (node.kind === Kind.FIELD) continue;
      const type = node.typeCondition && schema.getType(node.typeCondition.name.value);
      if (!isObjectType(type)) walkEntities(node.selectionSet, path);
      else if (counts?.has(type.name))
        walk(type, node.selectionSet, [...path, type.name], counts.get(type.name) as number);
    }
  }

  if (rootType) walk(rootType, operation.selectionSet, [], 1);
  return {
    roots,
    fields,
    access: fields.flatMap(({ rule }) => (rule.access ? [rule.access] : [])),
    metered: fields.some(({ calls }) => calls > 0),
    calls: fields.reduce((sum, { calls }) => sum + calls, 0),
    features: [...new Set(fields.flatMap(({ rule }) => rule.features))],
    fieldLimits: fields.flatMap(({ rule }) => (rule.fieldLimit ? [rule.fieldLimit] : [])),
  };
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
