import { type Access, type Rules, readRules } from '@continuum-billing/limits/core';
import { getDirectives } from '@graphql-tools/utils';
import {
  astFromValue,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  OperationTypeNode,
  print,
} from 'graphql';

const OPERATIONS = `# API: operations

Every field of the GraphQL API, as in [schema.graphql](../../schema.graphql). [Types](types.md) has what they take and return.
\`Access\` says which [key](../keys.md) may select a field. \`@rateLimited\` says what it [costs](../limits.md) a tenant, and how
often it may be selected; \`@cost\` is the work for the bound of an operation.
`;

const TYPES = `# API: types

The types of the GraphQL API, as in [schema.graphql](../../schema.graphql). [Operations](api.md) has the fields that use them.
`;

/** Text in a table, where GitHub and the site would read some characters as markup. Those in code are safe, except for `|`. */
const inCell = (text: string | null | undefined): string =>
  (text ?? '')
    .trim()
    .replaceAll(/\s+/g, ' ')
    .replaceAll('|', '\\|')
    .replaceAll(/(`[^`]*`)|</g, (found, code) => code ?? (found && '&lt;'));

function accessText(access: Access): string {
  switch (access.kind) {
    case 'public':
      return 'anyone, without a key';
    case 'service':
      return "a service's key (`ENFORCE`), or an operator with the role `OWNER`";
    case 'role':
      return `an operator with the role \`${access.role}\``;
    case 'scope': {
      const service = access.service ? ", or a service's key (`ENFORCE`)" : '';
      return `a tenant with the scope \`${access.scope}\`, an operator with the role \`${access.role}\`${service}`;
    }
  }
}

/** A link to a type, with the marks of lists and of null outside it: brackets end the text of a link. */
function typeLink(type: { toString(): string }, named: GraphQLNamedType, page: string): string {
  if (isSpecifiedScalarType(named)) return `\`${type}\``;
  const [before = '', after = ''] = String(type).split(named.name);
  return `${before.replaceAll('[', '\\[')}[${named.name}](${page}#${named.name.toLowerCase()})${after.replaceAll(']', '\\]')}`;
}

function directivesOf(schema: GraphQLSchema, field: GraphQLField<unknown, unknown>): string {
  const texts = getDirectives(schema, field).map(({ name, args = {} }) => {
    const known = schema.getDirective(name)?.args ?? [];
    const given = known.flatMap(({ name: arg, type }) =>
      args[arg] === undefined ? [] : [`${arg}: ${print(astFromValue(args[arg], type) as never)}`],
    );
    return `\`@${name}${given.length > 0 ? `(${given.join(', ')})` : ''}\``;
  });
  return texts.join(' ');
}

function inputTable(
  inputs: readonly (GraphQLArgument | GraphQLInputField)[],
  page: string,
  title: string,
): string {
  if (inputs.length === 0) return '';
  const rows = inputs.map(({ name, type, description, defaultValue }) => {
    const ast = defaultValue === undefined ? null : astFromValue(defaultValue, type);
    const standard = ast ? ` Default: \`${print(ast)}\`.` : '';
    return `| \`${name}\` | ${typeLink(type, getNamedType(type), page)} | ${inCell(description)}${standard} |`;
  });
  return `| ${title} | type | |\n|---|---|---|\n${rows.join('\n')}\n`;
}

function operationSection(
  schema: GraphQLSchema,
  rules: Rules,
  root: GraphQLObjectType,
  field: GraphQLField<unknown, unknown>,
): string {
  const access = rules.get(`${root.name}.${field.name}`)?.access;
  const directives = directivesOf(schema, field);
  const facts = [
    `Returns ${typeLink(field.type, getNamedType(field.type), 'types.md')}`,
    ...(access ? [`Access: ${accessText(access)}`] : []),
    ...(directives ? [directives] : []),
  ];
  return [
    `### ${field.name}\n`,
    ...(field.description ? [`${inCell(field.description)}\n`] : []),
    `${facts.map((fact) => `- ${fact}`).join('\n')}\n`,
    inputTable(field.args, 'types.md', 'argument'),
  ].join('\n');
}

/** docs/reference/api.md: the fields of the root types. */
export function operationsReference(schema: GraphQLSchema): string {
  const rules = readRules(schema);
  const sections = Object.values(OperationTypeNode).flatMap((kind) => {
    const root = schema.getRootType(kind);
    if (!root) return [];
    const fields = Object.values(root.getFields()).toSorted((a, b) => a.name.localeCompare(b.name));
    const title = { query: 'Queries', mutation: 'Mutations', subscription: 'Subscriptions' }[kind];
    return [`## ${title}\n`, ...fields.map((field) => operationSection(schema, rules, root, field))];
  });
  return tidy([OPERATIONS, ...sections]);
}

function bodyOf(schema: GraphQLSchema, type: GraphQLNamedType): string {
  if (isInputObjectType(type)) return inputTable(Object.values(type.getFields()), '', 'field');
  if (isEnumType(type)) {
    const rows = type.getValues().map(({ name, description }) => `| \`${name}\` | ${inCell(description)} |`);
    return `| value | |\n|---|---|\n${rows.join('\n')}\n`;
  }
  if (isScalarType(type)) return type.specifiedByURL ? `Specified by <${type.specifiedByURL}>.\n` : '';
  if (!isObjectType(type)) return '';
  const rows = Object.values(type.getFields()).map((field) => {
    const args = field.args.map((arg) => `\`${arg.name}: ${arg.type}\``).join(' ');
    const text = [inCell(field.description), args && `Arguments: ${args}.`, directivesOf(schema, field)];
    return `| \`${field.name}\` | ${typeLink(field.type, getNamedType(field.type), '')} | ${text.filter(Boolean).join(' ')} |`;
  });
  return `| field | type | |\n|---|---|---|\n${rows.join('\n')}\n`;
}

const KINDS: readonly [title: string, is: (type: GraphQLNamedType) => boolean][] = [
  ['Objects', isObjectType],
  ['Inputs', isInputObjectType],
  ['Enums', isEnumType],
  ['Scalars', isScalarType],
];

/** docs/reference/types.md: all other types. */
export function typesReference(schema: GraphQLSchema): string {
  const roots = new Set<GraphQLNamedType | null | undefined>([
    schema.getQueryType(),
    schema.getMutationType(),
    schema.getSubscriptionType(),
  ]);
  const types = Object.values(schema.getTypeMap())
    .filter((type) => !roots.has(type) && !isIntrospectionType(type) && !isSpecifiedScalarType(type))
    .toSorted((a, b) => a.name.localeCompare(b.name));
  const sections = KINDS.flatMap(([title, is]) => [
    `## ${title}\n`,
    ...types.filter(is).map((type) => {
      const description = type.description ? `${inCell(type.description)}\n\n` : '';
      return `### ${type.name}\n\n${description}${bodyOf(schema, type)}`;
    }),
  ]);
  return tidy([TYPES, ...sections]);
}

const tidy = (sections: readonly string[]): string =>
  `${sections
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()}\n`;
