import {
  type GraphQLInputType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql';
import type { Random } from '../random.js';

/** A number as it is written, where JSON.stringify would change it: 1e999. */
class RawNumber {
  constructor(readonly text: string) {}

  toJSON(): string {
    return `@raw:${this.text}@`;
  }
}

const MAX_KNOWN = 200;

/** Identifiers, cursors and receipts that the server answered, to be sent back to it. */
export class KnownStrings {
  readonly #values: string[] = [];

  /** @param value a response, or a part of it */
  collect(value: unknown): void {
    if (Array.isArray(value)) for (const item of value.slice(0, 20)) this.collect(item);
    else if (typeof value === 'object' && value !== null) {
      for (const [name, part] of Object.entries(value)) {
        if (typeof part !== 'string') this.collect(part);
        else if (/^(id|cursor|endCursor|receipt|\w+Id)$/.test(name)) this.#add(part);
      }
    }
  }

  #add(value: string): void {
    if (value.length > 2_000 || this.#values.includes(value)) return;
    this.#values.push(value);
    if (this.#values.length > MAX_KNOWN) this.#values.shift();
  }

  pick(random: Random): string {
    return this.#values.length > 0 ? random.pick(this.#values) : 'none';
  }
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? { a: value } : [value];
  return value;
}

const STRINGS: readonly string[] = [
  '',
  ' \n\t ',
  '\0',
  'a\0b',
  '\ud800',
  'x\udfff',
  '😀'.repeat(300),
  '__proto__',
  'constructor',
  'toString',
  '$where',
  '{"$gt":""}',
  'a.b.$c',
  '../../etc/passwd',
  '\u202e\ufeff',
  'x'.repeat(256),
  'x'.repeat(1_025),
  'x'.repeat(70_000),
  'null',
  'NaN',
  '000000000000000000000000',
  '1e999',
  '-1',
  '99999999999999999999999999',
  'javascript:alert(1)',
  'http://127.0.0.1:1/x',
  'https://app.example/ok',
  'http://[::1',
  'a@b.example',
  'day',
  '10s',
  '2026-01-01T00:00:00Z',
  '+275760-09-13T00:00:00.000Z',
  '-271821-04-20T00:00:00.000Z',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999Z',
  '2026-02-30T00:00:00Z',
];

const NUMBERS: readonly (number | RawNumber)[] = [
  0,
  -0,
  1,
  -1,
  2,
  100,
  101,
  1_000,
  1_001,
  0.5,
  -0.1,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  2 ** 53 - 1,
  2 ** 53,
  1e21,
  1e308,
  Number.MIN_VALUE,
  new RawNumber('1e999'),
  new RawNumber('-1e999'),
  new RawNumber('123456789012345678901234567890'),
];

/** A value of no type in particular. */
export function hostileValue(random: Random): unknown {
  switch (random.between(0, 8)) {
    case 0:
      return null;
    case 1:
      return random.pick(NUMBERS);
    case 2:
      return random.next() < 0.5;
    case 3:
      return [];
    case 4:
      return {};
    case 5:
      return Array(1_001).fill(random.pick([null, 'x', 1, {}]));
    case 6:
      return nested(random.pick([3, 50, 500, 1_500]));
    case 7:
      // As JSON would have it: a key of its own.
      return JSON.parse('{"__proto__":{"a":1},"constructor":{"prototype":{"b":1}},"$gt":""}');
    default:
      return random.pick(STRINGS);
  }
}

const EXAMPLES: Readonly<Record<string, (random: Random, known: KnownStrings) => unknown>> = {
  Int: (random) => random.pick([1, 2, 10, 50, 100, 3_600]),
  BigInt: (random) => random.pick([0, 1, 5, 1_000, '7']),
  Float: (random) => random.pick([0, 0.5, 1, -1]),
  Boolean: (random) => random.next() < 0.5,
  ID: (random, known) => known.pick(random),
  DateTime: (random) =>
    new Date(
      Date.now() - random.between(-40, 400) * 86_400_000 + random.between(0, 86_399_999),
    ).toISOString(),
  JSONObject: () => ({ a: 1, b: { c: ['x'] } }),
  _Any: (random, known) => ({
    __typename: `Billing${random.pick(['Memory', 'Subscription', 'Tenant', 'Tier', 'None'])}`,
    [random.pick(['id', 'tenantId', 'name'])]: random.pick([known.pick(random), 'PRO']),
  }),
};

const TEXTS = ['a name', 'https://app.example/ok', 'a@b.example', '10s', 'Query.x', 'memories', 'bytes'];

/** @param hostility how likely each part is wrong, from 0 to 1 */
export function inputValue(
  type: GraphQLInputType,
  random: Random,
  known: KnownStrings,
  hostility: number,
): unknown {
  if (random.next() < hostility) return hostileValue(random);
  if (!isNonNullType(type) && random.next() < 0.3) return null;
  const named = getNullableType(type);
  if (isListType(named)) {
    const length = random.next() < hostility ? random.pick([0, 50, 1_001]) : random.between(1, 3);
    // Long lists within long lists would be longer than a string can be.
    const item = inputValue(named.ofType, random, known, length > 3 ? 0 : hostility);
    return Array.from({ length }, () =>
      length > 3 ? item : inputValue(named.ofType, random, known, hostility),
    );
  }
  if (isEnumType(named)) return random.pick(named.getValues()).name;
  if (isInputObjectType(named)) {
    const value: Record<string, unknown> = {};
    for (const field of Object.values(named.getFields())) {
      if (isNonNullType(field.type) ? random.next() < hostility / 2 : random.next() < 0.4) continue;
      value[field.name] = inputValue(field.type, random, known, hostility);
    }
    if (random.next() < hostility / 2) value[random.pick(['unknown', 'tenantId'])] = hostileValue(random);
    return value;
  }
  const example = EXAMPLES[named.toString()];
  return example ? example(random, known) : random.pick([known.pick(random), ...TEXTS]);
}

/** JSON, with numbers as they are written. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value)?.replaceAll(/"@raw:([^"@]*)@"/g, '$1') ?? 'null';

const NAME = /^[_A-Za-z]\w*$/;

/** A value as a document has it. @param type to write names of enums without quotes; null: unknown */
export function toLiteral(value: unknown, type: GraphQLInputType | null): string {
  const named = type && getNullableType(type);
  if (value === null || value === undefined) return 'null';
  if (value instanceof RawNumber) return value.text;
  if (Array.isArray(value)) {
    const item = isListType(named) ? named.ofType : null;
    return `[${value.map((part) => toLiteral(part, item)).join(' ')}]`;
  }
  if (typeof value === 'object') {
    const fields = isInputObjectType(named) ? named.getFields() : {};
    const parts = Object.entries(value).filter(([name]) => NAME.test(name));
    return `{${parts.map(([name, part]) => `${name}: ${toLiteral(part, fields[name]?.type ?? null)}`).join(' ')}}`;
  }
  if (typeof value === 'string' && isEnumType(named) && NAME.test(value)) return value;
  return JSON.stringify(value);
}
