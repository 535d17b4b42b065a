import { Kind, print, stripIgnoredCharacters, visit } from 'graphql';

/**
 * A plugin of GraphQL Code Generator that writes each operation, with the fragments it uses, as text without white space,
 * typed by its result and variables. Clients need neither graphql nor a parser then.
 */
export function plugin(_schema, documents) {
  const definitions = documents.flatMap(({ document }) => document.definitions);
  const fragments = new Map(
    definitions
      .filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION)
      .map((node) => [node.name.value, node]),
  );
  const usedBy = (definition, used = new Set()) => {
    visit(definition, {
      FragmentSpread({ name }) {
        const fragment = fragments.get(name.value);
        if (used.has(fragment)) return;
        used.add(fragment);
        usedBy(fragment, used);
      },
    });
    return used;
  };
  const texts = definitions
    .filter(({ kind }) => kind === Kind.OPERATION_DEFINITION)
    .map((node) => {
      const name = node.name.value;
      const type = name + node.operation[0].toUpperCase() + node.operation.slice(1);
      const text = stripIgnoredCharacters([node, ...usedBy(node)].map(print).join('\n'));
      return `export const ${name}Document: TypedDocument<${type}, ${type}Variables> =\n  ${JSON.stringify(text)};`;
    });
  return {
    prepend: ["import type { TypedDocument } from '../typedDocument.js';"],
    content: texts.join('\n\n'),
  };
}
