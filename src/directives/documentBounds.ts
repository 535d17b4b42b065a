import { type DocumentNode, Kind, Lexer, parse, type SelectionSetNode, Source, TokenKind } from 'graphql';
import { LRUCache } from 'lru-cache';
import { BillingError, operationTooExpensive } from '../common/errors.js';

const MAX_SELECTIONS = 10_000;
const MAX_DEPTH = 50;
/** How often a selection set may contain the same field: validation compares all of them with each other. */
const MAX_REPEATS = 100;
/** Validation compares every fragment with every other. */
const MAX_FRAGMENTS = 250;
const MAX_VARIABLES = 500;
/** Directives on one selection. */
const MAX_DIRECTIVES = 5;
/** A text this short cannot exceed a bound unless it has fragments or directives. */
const HARMLESS_LENGTH = 300;
/** Nesting of braces, brackets and parentheses; graphql's parser recurses once for each level. */
const MAX_NESTING = 200;

interface Extent {
  selections: number;
  depth: number;
}

/**
 * Creates a check for query texts that runs before parsing and validation. Their cost can grow faster than the length of
 * the text, because fragments expand and fields are compared with each other. Texts that passed are cached.
 * @returns a function that throws OPERATION_TOO_EXPENSIVE
 */
export function createDocumentBounds(maxTokens: number): (query: string) => void {
  const passed = new LRUCache<string, true>({ max: 1_000 });
  return (query) => {
    if (query.length <= HARMLESS_LENGTH && !/fragment|@/.test(query)) return;
    if (passed.has(query)) return;
    boundNesting(query, maxTokens);
    let document: DocumentNode;
    try {
      document = parse(query, { maxTokens, noLocation: true });
    } catch {
      // Apollo reports the syntax error.
      return;
    }
    boundDocument(document);
    if (query.length < 10_000) passed.set(query, true);
  };
}

/** @throws OPERATION_TOO_EXPENSIVE for a text that is nested too deeply to be parsed */
function boundNesting(query: string, maxTokens: number): void {
  // Nearly all texts have fewer opening brackets, even in strings and comments, and need not be split into tokens.
  if ((query.match(/[[{(]/g)?.length ?? 0) <= MAX_NESTING) return;
  const lexer = new Lexer(new Source(query));
  try {
    let depth = 0;
    for (let tokens = 0; tokens <= maxTokens; tokens++) {
      const { kind } = lexer.advance();
      if (kind === TokenKind.EOF) return;
      if (OPENING.has(kind)) depth++;
      else if (CLOSING.has(kind)) depth--;
      if (depth > MAX_NESTING) throw tooDeep(depth, MAX_NESTING);
    }
  } catch (error) {
    if (error instanceof BillingError) throw error;
    // Apollo reports the invalid token.
  }
}

const OPENING: ReadonlySet<TokenKind> = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const CLOSING: ReadonlySet<TokenKind> = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

const exceeds = (problem: string, cost: number, limit: number, field = 'query') =>
  operationTooExpensive(`${problem}; at most ${limit} are accepted`, { cost, limit, field });
const tooDeep = (depth: number, limit: number) =>
  operationTooExpensive(`It is nested deeper than ${limit}`, { cost: depth, limit, field: 'query' });

/**
 * Rejects a document that expands to too many fields. The check takes time proportional to the text, because each
 * fragment is measured once, however often it is spread.
 * @throws OPERATION_TOO_EXPENSIVE
 */
function boundDocument(document: DocumentNode): void {
  const fragments = new Map<string, SelectionSetNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION)
      fragments.set(definition.name.value, definition.selectionSet);
  }
  if (fragments.size > MAX_FRAGMENTS)
    throw exceeds('It has too many fragments', fragments.size, MAX_FRAGMENTS);
  const measured = new Map<string, Extent>();

  function measureFragment(name: string, outer: number): Extent {
    const known = measured.get(name);
    if (known) return known;
    const set = fragments.get(name);
    // Validation reports fragments that contain themselves or do not exist.
    measured.set(name, { selections: 0, depth: 0 });
    const extent = set ? measure(set, outer) : { selections: 0, depth: 0 };
    measured.set(name, extent);
    return extent;
  }

  function measure(set: SelectionSetNode, outer: number): Extent {
    if (outer > MAX_DEPTH) throw tooDeep(outer, MAX_DEPTH);
    boundRepeats(set);
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
        throw exceeds('It selects too many fields', extent.selections, MAX_SELECTIONS);
      }
      if (outer + extent.depth > MAX_DEPTH) throw tooDeep(outer + extent.depth, MAX_DEPTH);
    }
    return extent;
  }

  for (const definition of document.definitions) {
    if (definition.kind === Kind.OPERATION_DEFINITION) {
      const variables = definition.variableDefinitions?.length ?? 0;
      if (variables > MAX_VARIABLES) throw exceeds('It has too many variables', variables, MAX_VARIABLES);
      measure(definition.selectionSet, 0);
    } else if (definition.kind === Kind.FRAGMENT_DEFINITION) measureFragment(definition.name.value, 0);
  }
}

/**
 * Limits repeated selections of a field. Without arguments, all aliases of a field have the same value. With arguments,
 * different aliases are legitimate, but not the same name many times.
 */
function boundRepeats({ selections }: SelectionSetNode): void {
  const repeats = new Map<string, number>();
  for (const node of selections) {
    const directives = node.directives?.length ?? 0;
    if (directives > MAX_DIRECTIVES)
      throw exceeds('A field has too many directives', directives, MAX_DIRECTIVES);
    if (node.kind !== Kind.FIELD) continue;
    const { name, alias, arguments: args } = node;
    const key = args?.length ? `${alias?.value ?? name.value}(` : name.value;
    repeats.set(key, (repeats.get(key) ?? 0) + 1);
  }
  for (const [key, count] of repeats) {
    if (count <= MAX_REPEATS) continue;
    const field = key.replace('(', '');
    throw exceeds(`It selects ${field} ${count} times in one place`, count, MAX_REPEATS, field);
  }
}
