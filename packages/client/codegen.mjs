import { readFileSync } from 'node:fs';

/** Enums of the server whose values are in its catalogue. A client of any server must take them for text. */
const FROM_CATALOGUE = /^enum (TierName|Feature) \{[^}]*\}/gm;

/** @type {import('@graphql-codegen/cli').CodegenConfig} Paths are relative to the project. */
export const config = {
  schema: readFileSync('schema.graphql', 'utf8').replace(FROM_CATALOGUE, 'scalar $1'),
  documents: ['packages/client/src/documents/*.graphql'],
  silent: true,
  errorsOnly: true,
  generates: {
    'packages/client/src/generated/operations.ts': {
      plugins: ['typescript-operations', './packages/client/documentTexts.mjs'],
      config: {
        enumType: 'string-literal',
        useTypeImports: true,
        arrayInputCoercion: false,
        strictScalars: true,
        inlineFragmentTypes: 'combine',
        // As the server's src/schema/scalars.ts serialises them: instants as RFC 3339 text, whole numbers up to 2^53 as numbers.
        scalars: {
          ID: 'string',
          DateTime: { input: 'string | Date', output: 'string' },
          BigInt: 'number',
          JSONObject: 'Record<string, unknown>',
          SettingValue: 'number | string | boolean',
          TierName: 'string',
          Feature: 'string',
        },
      },
    },
  },
};
