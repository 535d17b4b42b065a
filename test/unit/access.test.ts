import type { Access, FieldRule, Rules } from '@continuum-billing/limits/core';
import { buildSchema, type OperationDefinitionNode, parse } from 'graphql';
import { expect, it } from 'vitest';
import { createAccessReader } from '../../src/directives/access.js';

const schema = buildSchema('type Query { open: Int mine: Int }');
const OPEN: Access = { kind: 'public' };
const MINE: Access = { kind: 'service' };
const rules: Rules = new Map(
  [OPEN, MINE].map((access, i) => [`Query.${i === 0 ? 'open' : 'mine'}`, { access } as FieldRule]),
);

/** Reads a document for each of the variables, as a server does that has parsed it once. */
function accessesOf(text: string, ...given: Record<string, unknown>[]): (readonly Access[])[] {
  const read = createAccessReader(schema, rules);
  const document = parse(text);
  return given.map((values) => read(document, document.definitions[0] as OperationDefinitionNode, values));
}

it('the access rules of a document are read once', () => {
  const [a, b] = accessesOf(
    '{ open ...F ... @skip(if: true) { mine } } fragment F on Query { open }',
    {},
    {},
  );
  expect(a).toEqual([OPEN]);
  expect(b).toBe(a);
});

it('they are read again if they depend on the values of variables', () => {
  const text = 'query ($on: Boolean = false) { open ...F @include(if: $on) } fragment F on Query { mine }';
  expect(accessesOf(text, { on: false }, { on: true }, {})).toEqual([[OPEN], [OPEN, MINE], [OPEN]]);
  expect(accessesOf(text, { on: true }, { on: false })).toEqual([[OPEN, MINE], [OPEN]]);
});
