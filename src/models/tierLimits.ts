/** The limits of a tier, each of which a contract may override. The catalogue's schema documents them. */
export interface TierLimits {
  apiCallsPerDay: number;
  apiCallsPerMinute: number;
  concurrentRequests: number;
  maxMemories: number;
  maxEmbeddings: number;
  maxStorageBytes: number;
  maxExtractionBatchSize: number;
  federationPriority: number;
  /** The storage limit of each resource in the catalogue. */
  stored: Record<string, number>;
}

/** The limits of the resources that every catalogue has, by what storage calls the resource. */
export const STORED_LIMITS = {
  memories: 'maxMemories',
  embeddings: 'maxEmbeddings',
  bytes: 'maxStorageBytes',
} as const satisfies Record<string, keyof TierLimits>;
