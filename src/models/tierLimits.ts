/** What a tier allows; a contract may override any of it. The catalogue's schema documents each limit. */
export interface TierLimits {
  apiCallsPerDay: number;
  apiCallsPerMinute: number;
  concurrentRequests: number;
  maxMemories: number;
  maxEmbeddings: number;
  maxStorageBytes: number;
  maxExtractionBatchSize: number;
  federationPriority: number;
  /** Of each resource of the catalogue, how many may be stored. */
  stored: Record<string, number>;
}
