import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import type { Random } from '../random.js';
import { hostileValue, inputValue, type KnownStrings, toLiteral } from './values.js';

export interface FuzzOperation {
  query: string;
  variables: unknown;
  operationName: unknown;
  isMutation: boolean;
}

const MAX_LEVELS = 5;

/** Writes one document at a time; what it declares on the way is collected. */
export class DocumentWriter {
  #variables: Record<string, unknown> = {};
  #declared: string[] = [];
  #fragments: string[] = [];
  #aliases = 0;

  constructor(
    private readonly schema: GraphQLSchema,
    private readonly random: Random,
    private readonly known: KnownStrings,
  ) {}

  /** @param rootField `Query.tiers`, say, so that a run can go through all of them */
  write(root: GraphQLObjectType, rootField: GraphQLField<unknown, unknown>): FuzzOperation {
    const { random } = this;
    this.#variables = {};
    this.#declared = [];
    this.#fragments = [];
    this.#aliases = 0;
    const hostility = random.pick([0, 0.02, 0.1, 0.3]);
    const names = random.next() < 0.8 ? 1 : random.between(2, 4);
    const others = Array.from({ length: names - 1 }, () => random.pick(Object.values(root.getFields())));
    const fields = [rootField, ...others].map((field) => this.#field(field, 1, hostility));
    if (random.next() < 0.1) fields.push(random.pick(['__typename', '__schema { types { name } }', '...F9']));

    const isMutation = root === this.schema.getMutationType();
    const kind = isMutation ? 'mutation' : 'query';
    const declared = this.#declared.length > 0 ? `(${this.#declared.join(', ')})` : '';
    const second = random.next() < 0.05 ? ' query Second { __typename }' : '';
    const query = `${kind} First${declared} { ${fields.join(' ')} }${second} ${this.#fragments.join(' ')}`;
    return {
      query: random.next() < 0.02 ? query.slice(0, random.between(0, query.length)) : query,
      variables: random.next() < 0.03 ? hostileValue(random) : this.#variables,
      operationName: random.next() < 0.05 ? random.pick(['Other', '', 5, 'Second', '__proto__']) : undefined,
      isMutation,
    };
  }

  #field(field: GraphQLField<unknown, unknown>, level: number, hostility: number): string {
    const { random } = this;
    const args = field.args.flatMap((argument) => this.#argument(argument, hostility));
    if (random.next() < hostility / 4) args.push(`unknown: ${toLiteral(hostileValue(random), null)}`);
    // Fields of one name are rejected unless all about them is the same: seldom without an alias.
    const isPlain = random.next() < (field.args.length > 0 ? 0.05 : 0.5);
    const name = isPlain ? field.name : `a${this.#aliases++}: ${field.name}`;
    const called = `${name}${args.length > 0 ? `(${args.join(', ')})` : ''}`;
    return `${called} ${this.#directive(hostility)} ${this.#selection(field.type, level, hostility)}`;
  }

  #argument(argument: GraphQLArgument, hostility: number): string[] {
    const { random } = this;
    const isRequired = isNonNullType(argument.type) && argument.defaultValue === undefined;
    if (random.next() < (isRequired ? hostility / 3 : 0.4)) return [];
    const value = inputValue(argument.type, random, this.known, hostility);
    if (random.next() < 0.3) return [`${argument.name}: ${toLiteral(value, argument.type)}`];
    const variable = `v${this.#declared.length}`;
    const type =
      random.next() < hostility / 4 ? random.pick(['String', '[Int!]', 'Nope']) : `${argument.type}`;
    this.#declared.push(`$${variable}: ${type}`);
    if (random.next() >= hostility / 4) this.#variables[variable] = value;
    return [`${argument.name}: $${variable}`];
  }

  #directive(hostility: number): string {
    const { random } = this;
    if (random.next() >= 0.05) return '';
    const directive = random.pick(['@skip', '@include']);
    const isWrong = random.next() < hostility;
    if (random.next() < 0.5)
      return `${directive}(if: ${random.pick(isWrong ? ['null', '"x"', '1'] : ['true', 'false'])})`;
    const variable = `v${this.#declared.length}`;
    this.#declared.push(`$${variable}: ${random.pick(['Boolean!', ...(isWrong ? ['Boolean'] : [])])}`);
    this.#variables[variable] = isWrong ? random.pick([null, 'x', 1]) : random.next() < 0.5;
    return `${directive}(if: $${variable})`;
  }

  #selection(output: GraphQLOutputType, level: number, hostility: number): string {
    const { random } = this;
    const type = getNamedType(output);
    if (!isObjectType(type)) return random.next() < hostility / 10 ? '{ nope }' : '';
    const fields = Object.values(type.getFields());
    const chosen = fields.filter(
      (field) => !isObjectType(getNamedType(field.type)) || (level < MAX_LEVELS && random.next() < 0.7),
    );
    const parts = chosen.map((field) => this.#field(field, level + 1, hostility));
    parts.push('__typename');
    if (random.next() < 0.1)
      parts.push(`... on ${type.name} { ${fields[0]?.name === 'id' ? 'id' : '__typename'} }`);
    if (random.next() < 0.05) {
      const fragment = `F${this.#fragments.length}`;
      const inner = random.next() < 0.1 ? `...${fragment}` : '';
      this.#fragments.push(`fragment ${fragment} on ${type.name} { __typename ${inner} }`);
      parts.push(`...${fragment}`);
    }
    return `{ ${parts.join(' ')} }`;
  }
}
