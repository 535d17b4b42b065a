import type { Catalogue } from './catalogue.js';

/** @returns what people read for the name of a tier, a feature or a resource: `Semantic search` */
export const displayNameOf = ({ displayNames }: Pick<Catalogue, 'displayNames'>, name: string): string =>
  writtenNameOf(displayNames, name) ?? inWords(name);

/** @returns the name of a tier on invoices and at checkout: as it is written in the catalogue */
export const soldNameOf = ({ displayNames }: Pick<Catalogue, 'displayNames'>, name: string): string =>
  writtenNameOf(displayNames, name) ?? name;

const writtenNameOf = (displayNames: Catalogue['displayNames'], name: string): string | null =>
  Object.hasOwn(displayNames, name) ? (displayNames[name] as string) : null;

/** `SEMANTIC_SEARCH` and `semanticSearch` are both `Semantic search`. */
function inWords(name: string): string {
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .trim()
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
