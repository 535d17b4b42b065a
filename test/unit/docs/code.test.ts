import { globSync, readFileSync } from 'node:fs';
import { limitDirectives } from '@continuum-billing/limits';
import {
  buildASTSchema,
  buildSchema,
  type DefinitionNode,
  isExecutableDefinitionNode,
  Kind,
  LoneAnonymousOperationRule,
  parse,
  specifiedRules,
  UniqueOperationNamesRule,
  validate,
  visit,
} from 'graphql';
import { parseSync } from 'vite';
import { describe, expect, it } from 'vitest';
import { allBlocks, DOCUMENTS } from '../../support/documents.js';

const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));
const teamDirectives = buildASTSchema(limitDirectives);
// A block shows several operations, each of which is sent by itself.
const RULES = specifiedRules.filter(
  (rule) => rule !== LoneAnonymousOperationRule && rule !== UniqueOperationNamesRule,
);

/** What a type definition says with the directives of the library must be something they take. */
function errorsOfTypes(definitions: readonly DefinitionNode[]): string[] {
  const errors: string[] = [];
  visit(
    { kind: Kind.DOCUMENT, definitions },
    {
      Directive({ name, arguments: args }) {
        const directive = teamDirectives.getDirective(name.value) ?? schema.getDirective(name.value);
        if (!directive && name.value !== 'key') errors.push(`@${name.value} does not exist`);
        for (const arg of directive ? (args ?? []) : [])
          if (!directive?.args.some((known) => known.name === arg.name.value))
            errors.push(`@${name.value} has no argument ${arg.name.value}`);
      },
    },
  );
  return errors;
}

function errorsOf(code: string): string[] {
  try {
    const { definitions } = parse(code);
    const operations = definitions.filter(isExecutableDefinitionNode);
    const errors = validate(schema, { kind: Kind.DOCUMENT, definitions: operations }, RULES);
    const types = definitions.filter((definition) => !isExecutableDefinitionNode(definition));
    return [...errors.map(({ message }) => message), ...errorsOfTypes(types)];
  } catch (error) {
    return [String(error)];
  }
}

const errorOfJson = (text: string): string | null => {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return String(error);
  }
};

/** One value, or one on each line. */
const errorsOfJson = (code: string): string[] => {
  if (errorOfJson(code) === null) return [];
  return code
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(errorOfJson)
    .filter((error) => error !== null);
};

/** Of another library than ours, and in an example only. */
const NOT_INSTALLED = new Set(['@pothos/core']);

/** A block is a module, or a property of what the block before it builds. */
function syntaxErrors(code: string): string[] {
  const errorsIn = (text: string) =>
    parseSync('block.tsx', text, { sourceType: 'module' }).errors.map(({ message }) => message);
  const errors = errorsIn(code);
  return errors.length > 0 && errorsIn(`({ ${code} })`).length === 0 ? [] : errors;
}

/** Names that a block imports and its module does not export. */
async function missingImports(code: string): Promise<string[]> {
  const found = code.matchAll(/^import (\w+)?,? ?(?:\{([^}]*)\} )?from '([^']+)';$/gm);
  const missing = Array.from(found, async ([, byDefault, list = '', from = '']) => {
    if (NOT_INSTALLED.has(from)) return [];
    const names = list.split(',').map((name) => name.trim());
    const exported = await import(from);
    return [
      ...(byDefault ? ['default'] : []),
      ...names.filter((name) => name !== '' && !name.startsWith('type ')),
    ]
      .filter((name) => !(name in exported))
      .map((name) => `${from} has no ${name}`);
  });
  return (await Promise.all(missing)).flat();
}

describe('the code in the documentation', () => {
  it('has JavaScript that parses, and imports what exists', async () => {
    const blocks = ['js', 'ts', 'tsx'].flatMap(allBlocks);
    const wrong = blocks.map(async ({ place, code }) =>
      [...syntaxErrors(code), ...(await missingImports(code))].map((error) => `${place}: ${error}`),
    );
    expect((await Promise.all(wrong)).flat()).toEqual([]);
    expect(blocks.length).toBeGreaterThan(15);
  });

  it('has operations that schema.graphql allows, and directives that the library knows', () => {
    const wrong = allBlocks('graphql').flatMap(({ place, code }) =>
      errorsOf(code).map((error) => `${place}: ${error}`),
    );
    expect(wrong).toEqual([]);
  });

  it('has JSON that parses', () => {
    const wrong = allBlocks('json').flatMap(({ place, code }) =>
      errorsOfJson(code).map((error) => `${place}: ${error}`),
    );
    expect(wrong).toEqual([]);
  });

  it('names log lines that the server writes, in what to do at an alert', () => {
    const written = globSync('src/**/*.ts')
      .map((file) => readFileSync(file, 'utf8'))
      .join();
    const named = [...readFileSync('docs/alerts.md', 'utf8').matchAll(/`([a-z_]+\.[a-z_]+)`/g)];
    expect(named.length).toBeGreaterThan(5);
    expect(named.map(([, name]) => name).filter((name) => !written.includes(`'${name}'`))).toEqual([]);
  });

  it('names npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: object };
    const unknown = [...DOCUMENTS, 'ARCHITECTURE.md', 'CONTRIBUTING.md'].flatMap((document) =>
      [...readFileSync(document, 'utf8').matchAll(/npm run (?:--silent )?([a-z][\w:]*)/g)]
        .filter(([, name = '']) => !(name in scripts))
        .map(([, name]) => `${document}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });
});
