import type { DocumentNode } from 'graphql';
import { LRUCache } from 'lru-cache';

/** A parsed document takes about 50 bytes of memory per character of its text. */
const MAX_CHARACTERS = 500_000;
const MAX_CHARACTERS_EACH = 20_000;

/**
 * Caches documents that were parsed and validated. Apollo's own store measures each document by writing it as JSON, which
 * takes longer than parsing it; the length of the text is as good a measure.
 */
export function createDocumentStore() {
  const documents = new LRUCache<string, DocumentNode>({
    maxSize: MAX_CHARACTERS,
    maxEntrySize: MAX_CHARACTERS_EACH,
    sizeCalculation: ({ loc }) => Math.max(loc?.end ?? MAX_CHARACTERS_EACH, 1),
  });
  return {
    get: async (hash: string) => documents.get(hash),
    async set(hash: string, document: DocumentNode) {
      documents.set(hash, document);
    },
    delete: async (hash: string) => documents.delete(hash),
  };
}
