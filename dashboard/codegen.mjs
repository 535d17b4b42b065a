/** @type {import('@graphql-codegen/cli').CodegenConfig} Paths are relative to the project. */
export const config = {
  schema: 'schema.graphql',
  documents: ['dashboard/src/**/*.{ts,tsx}', '!dashboard/src/generated/**'],
  ignoreNoDocuments: true,
  silent: true,
  errorsOnly: true,
  generates: {
    'dashboard/src/generated/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        enumType: 'string-literal',
        useTypeImports: true,
        importExtension: '.js',
        arrayInputCoercion: false,
        strictScalars: true,
        // As src/schema/scalars.ts serialises them: instants as RFC 3339 text, whole numbers up to 2^53 as numbers.
        scalars: {
          DateTime: 'string',
          BigInt: 'number',
          JSONObject: 'Record<string, unknown>',
          SettingValue: 'number | string | boolean',
        },
      },
    },
  },
};
