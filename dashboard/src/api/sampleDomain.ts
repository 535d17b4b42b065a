import { type DocumentNode, visit } from 'graphql';

/** Whether the server has the sample domain. Where it has none, it marks the page. */
export const SAMPLE_DOMAIN = globalThis.document?.documentElement.dataset.sampleDomain !== 'off';

/** Fields of the sample domain in the documents of the pages. Without it, the API does not have them. */
export const SAMPLE_FIELDS: ReadonlySet<string> = new Set([
  'memories',
  'embeddings',
  'maxMemories',
  'maxEmbeddings',
  'federationPriority',
  'federationShares',
]);

/** The document as the server understands it. */
export const askable = (document: DocumentNode): DocumentNode =>
  SAMPLE_DOMAIN
    ? document
    : visit(document, { Field: ({ name }) => (SAMPLE_FIELDS.has(name.value) ? null : undefined) });
