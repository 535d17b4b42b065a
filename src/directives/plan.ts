import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type FragmentSpreadNode,
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
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { badInput } from '../errors.js';
import type { FieldLimit } from '../services/admission/fieldLimits.js';
import type { Access } from './access.js';
import type { FieldRule, Rules } from './rules.js';

/** One selected field that asks something. */
export interface PlannedField {
  rule: FieldRule;
  /** The name of the root field's answer under which it lies: tells which charges failed. */
  rootKey: string;
  /** Calls: the rule's cost, for each item of a list argument. */
  calls: number;
  /** The endpoint that the calls are recorded for. */
  endpoint: string;
  /** The value of the argument that `@storageQuota` names. */
  stores: unknown;
}

export interface RootSelection {
  key: string;
  coordinate: string;
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

/**
 * @param variables as coerced by graphql
 * @throws BAD_USER_INPUT for an operation that selects too much
 */
export function planOperation(
  schema: GraphQLSchema,
  rules: Rules,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
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

  /** @param path the names of the answer that lead to the selection; empty at the root */
  function walk(type: GraphQLObjectType, set: SelectionSetNode, path: readonly string[]): void {
    for (const node of set.selections) {
      // Also what is left out, and spreads: they have to be walked.
      if (++seen > MAX_SELECTIONS)
        throw badInput('query', `selects more than ${MAX_SELECTIONS} fields; split it`);
      if (!isIncluded(node, variables)) continue;
      if (node.kind === Kind.FIELD) {
        visit(type, node, path);
      } else {
        const fragment = node.kind === Kind.INLINE_FRAGMENT ? node : fragments.get(node.name.value);
        if (!fragment) continue;
        // The schema has no abstract types: a condition names the type at hand, or validation refused it.
        walk(type, fragment.selectionSet, path);
      }
    }
  }

  function visit(type: GraphQLObjectType, node: FieldNode, parents: readonly string[]): void {
    const field = type.getFields()[node.name.value];
    if (!field) return;
    const path = [...parents, node.alias?.value ?? node.name.value];
    const named = getNamedType(field.type);
    if (node.selectionSet && isObjectType(named)) walk(named, node.selectionSet, path);
    // Selected twice under one name it is still executed once.
    const pathName = path.join('.');
    if (planned.has(pathName)) return;
    planned.add(pathName);
    const rootKey = path[0] as string;
    const coordinate = `${type.name}.${field.name}`;
    const isRoot = path.length === 1;
    const rule = rules.get(coordinate);
    const args = isRoot || rule ? getArgumentValues(field, node, variables) : {};
    if (isRoot) {
      if (roots.length === MAX_ROOT_FIELDS) {
        throw badInput('query', `selects more than ${MAX_ROOT_FIELDS} root fields; split it`);
      }
      roots.push({ key: rootKey, coordinate, args });
    }
    if (rule) {
      const lists = field.args.filter((arg) => isListType(getNullableType(arg.type)));
      const items = lists.map((arg) =>
        Array.isArray(args[arg.name]) ? (args[arg.name] as unknown[]).length : 1,
      );
      fields.push({
        rule,
        rootKey,
        calls: (rule.cost ?? 0) * Math.max(1, ...items),
        endpoint: isRoot ? field.name : coordinate,
        stores: rule.storageArg === null ? undefined : args[rule.storageArg],
      });
    }
  }

  if (rootType) walk(rootType, operation.selectionSet, []);
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

function isIncluded(
  node: FieldNode | FragmentSpreadNode | InlineFragmentNode,
  variables: Record<string, unknown>,
): boolean {
  if (!node.directives?.length) return true;
  if (getDirectiveValues(GraphQLSkipDirective, node, variables)?.if === true) return false;
  return getDirectiveValues(GraphQLIncludeDirective, node, variables)?.if !== false;
}
