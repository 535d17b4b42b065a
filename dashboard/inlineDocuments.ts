import { readdirSync, readFileSync } from 'node:fs';
import { type DefinitionNode, type DocumentNode, type FragmentDefinitionNode, parse, visit } from 'graphql';
import type { Plugin } from 'vite';

/** A call of the generated tag: graphql(`…`) or graphql(/* GraphQL *\/ `…`). */
const CALL = /\bgraphql\(\s*(?:\/\*\s*GraphQL\s*\*\/\s*)?`([^`]*)`,?\s*\)/g;

/**
 * Replaces each graphql(`…`) by its parsed document. Otherwise the first load would contain the documents of all pages,
 * because the generated function looks them up in one table.
 * @param sources where fragments are found that a document uses
 */
export function inlineDocuments(sources: string): Plugin {
  let fragments: Map<string, FragmentDefinitionNode> | null = null;

  function readFragments(): Map<string, FragmentDefinitionNode> {
    const found = new Map<string, FragmentDefinitionNode>();
    const files = readdirSync(sources, { recursive: true, encoding: 'utf8' });
    for (const file of files.filter((name) => /\.tsx?$/.test(name) && !name.startsWith('generated'))) {
      for (const [, text] of readFileSync(`${sources}/${file}`, 'utf8').matchAll(CALL)) {
        for (const definition of parse(text ?? '', { noLocation: true }).definitions)
          if (definition.kind === 'FragmentDefinition') found.set(definition.name.value, definition);
      }
    }
    return found;
  }

  function documentOf(text: string): DocumentNode {
    fragments ??= readFragments();
    const definitions: DefinitionNode[] = [...parse(text, { noLocation: true }).definitions];
    const named = new Set(
      definitions.flatMap((node) => ('name' in node && node.name ? [node.name.value] : [])),
    );
    for (const definition of definitions) {
      visit(definition, {
        FragmentSpread({ name: { value } }) {
          if (named.has(value)) return;
          const fragment = fragments?.get(value);
          if (!fragment) throw new Error(`No fragment is named ${value}`);
          named.add(value);
          // The loop also visits what is added to its array.
          definitions.push(fragment);
        },
      });
    }
    return { kind: 'Document', definitions } as DocumentNode;
  }

  return {
    name: 'inline-documents',
    enforce: 'pre',
    buildStart() {
      fragments = null;
    },
    handleHotUpdate() {
      fragments = null;
    },
    transform(code, id) {
      if (!id.startsWith(sources) || id.includes('/generated/') || !code.includes('graphql(')) return null;
      const replaced = code.replace(CALL, (_call, text: string) => `(${JSON.stringify(documentOf(text))})`);
      return replaced === code ? null : { code: replaced, map: null };
    },
  };
}
