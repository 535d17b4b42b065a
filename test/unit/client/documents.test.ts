import { readFileSync } from 'node:fs';
import { ErrorCode } from '@continuum-billing/limits/errors';
import { buildSchema, parse, validate } from 'graphql';
import { expect, it } from 'vitest';
import type { ServerErrorCode } from '../../../packages/client/src/errors.js';
import * as generated from '../../../packages/client/src/generated/operations.js';
import { operations } from '../../../packages/client/src/operations.js';
import { withoutSampleDomain } from '../../../src/schema/sampleDomain.js';

const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));
const documents = Object.values(generated).map(String);

it('every document has one root field, and is valid for a server without the sample domain, too', () => {
  const others = withoutSampleDomain(schema);
  for (const text of documents) {
    const document = parse(text);
    expect(validate(others, document), text).toEqual([]);
    const [operation] = document.definitions;
    expect(operation?.kind === 'OperationDefinition' && operation.selectionSet.selections).toHaveLength(1);
  }
  expect(documents.length).toBeGreaterThan(40);
});

it('a method has the name of its field', () => {
  for (const [name, { document }] of Object.entries(operations))
    expect(String(document)).toMatch(new RegExp(`^(query|mutation) ${name}\\b`, 'i'));
});

it('the README lists every method', () => {
  const listed = readFileSync('packages/client/README.md', 'utf8').match(/\w+/g);
  expect(listed).toEqual(expect.arrayContaining(Object.keys(operations)));
});

it('the codes of errors are those of the server', () => {
  // A record, so that the compiler finds a code that the client lacks.
  const known: Record<`${ErrorCode}`, ServerErrorCode> = ErrorCode;
  const back: Record<ServerErrorCode, `${ErrorCode}`> = ErrorCode;
  expect(Object.keys(known)).toEqual(Object.keys(back));
});
