import { type DocumentNode, Kind, parse, type SelectionSetNode } from 'graphql';
import { LRUCache } from 'lru-cache';
import { badInput } from '../errors.js';

const MAX_SELECTIONS = 10_000;
const MAX_DEPTH = 50;

interface Extent {
  selections: number;
  depth: number;
}

/**
 * A check of query texts, to be made before validation, whose cost grows with the square of what a document spreads out
 * to. Only fragments make more of a text than is written there. What was found good is remembered.
 * @returns a function that throws BAD_USER_INPUT
 */
export function createDocumentBounds(maxTokens: number): (query: unknown) => void {
  const good = new LRUCache<string, true>({ max: 1_000 });
  return (query) => {
    if (typeof query !== 'string' || !query.includes('fragment') || good.has(query)) return;
    let document: DocumentNode;
    try {
      document = parse(query, { maxTokens, noLocation: true });
    } catch {
      // What is wrong with it, Apollo tells.
      return;
    }
    boundDocument(document);
    if (query.length < 10_000) good.set(query, true);
  };
}

/**
 * Refuses a document that spreads out to too much, in time that grows with its text alone: each fragment is measured
 * once, however often it is spread.
 * @throws BAD_USER_INPUT
 */
export function boundDocument(document: DocumentNode): void {
  const fragments = new Map<string, SelectionSetNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION)
      fragments.set(definition.name.value, definition.selectionSet);
  }
  const measured = new Map<string, Extent>();

  function measureFragment(name: string, outer: number): Extent {
    const known = measured.get(name);
    if (known) return known;
    const set = fragments.get(name);
    // A fragment within itself, or one that is missing, is left to validation.
    measured.set(name, { selections: 0, depth: 0 });
    const extent = set ? measure(set, outer) : { selections: 0, depth: 0 };
    measured.set(name, extent);
    return extent;
  }

  function measure(set: SelectionSetNode, outer: number): Extent {
    if (outer > MAX_DEPTH) throw badInput('query', `is nested deeper than ${MAX_DEPTH}`);
    const extent = { selections: 0, depth: 0 };
    for (const node of set.selections) {
      extent.selections++;
      let inner: Extent | null = null;
      if (node.kind === Kind.FRAGMENT_SPREAD) inner = measureFragment(node.name.value, outer);
      else if (node.selectionSet) inner = measure(node.selectionSet, outer + 1);
      if (!inner) continue;
      extent.selections += inner.selections;
      extent.depth = Math.max(extent.depth, inner.depth + 1);
      if (extent.selections > MAX_SELECTIONS) {
        throw badInput('query', `selects more than ${MAX_SELECTIONS} fields; split it`);
      }
      if (outer + extent.depth > MAX_DEPTH) throw badInput('query', `is nested deeper than ${MAX_DEPTH}`);
    }
    return extent;
  }

  for (const definition of document.definitions) {
    if (definition.kind === Kind.OPERATION_DEFINITION) measure(definition.selectionSet, 0);
    else if (definition.kind === Kind.FRAGMENT_DEFINITION) measureFragment(definition.name.value, 0);
  }
}
