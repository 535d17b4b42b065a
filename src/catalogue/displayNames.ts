import type { Catalogue } from './catalogue.js';

type Names = Pick<Catalogue, 'displayNames' | 'publicNames'>;

/** @returns what clients and operators call a tier that is stored under a name */
export const publicNameOf = ({ publicNames }: Pick<Catalogue, 'publicNames'>, name: string): string =>
  writtenNameOf(publicNames, name) ?? name;

/** @returns what people read for the name of a tier, a feature or a resource: `Semantic search` */
export const displayNameOf = (catalogue: Names, name: string): string =>
  writtenNameOf(catalogue.displayNames, name) ?? inWords(publicNameOf(catalogue, name));

/** @returns the name of a tier on invoices and at checkout: as it is written in the catalogue */
export const soldNameOf = (catalogue: Names, name: string): string =>
  writtenNameOf(catalogue.displayNames, name) ?? publicNameOf(catalogue, name);

const writtenNameOf = (names: Readonly<Record<string, string>>, name: string): string | null =>
  Object.hasOwn(names, name) ? (names[name] as string) : null;

/** `SEMANTIC_SEARCH` and `semanticSearch` are both `Semantic search`. */
function inWords(name: string): string {
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .trim()
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
