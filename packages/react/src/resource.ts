/** What is known of something that is read from the server. */
export interface ResourceState<T> {
  /** The last answer; it stays while another one is read, and if that fails. */
  data: T | undefined;
  /** What the last attempt failed with; null if it did not. */
  error: Error | null;
  isLoading: boolean;
}

/** Something that is read from the server, shared by all parts that show it. */
export interface Resource<T> {
  get(): ResourceState<T>;
  /** The first listener begins the reading. @returns ends it */
  subscribe(listener: () => void): () => void;
  /** Reads it again. Resolves when this is done, whether it worked or not. */
  refetch(): Promise<void>;
  /** Takes what is known from elsewhere, and ignores answers that are on their way. */
  set(data: T): void;
  readonly isUsed: boolean;
}

export function createResource<T>(deps: {
  load(): Promise<T>;
  onUsed(): void;
  onUnused(): void;
  onError(error: unknown): void;
}): Resource<T> {
  let state: ResourceState<T> = { data: undefined, error: null, isLoading: true };
  let latest = 0;
  const listeners = new Set<() => void>();

  function become(next: ResourceState<T>): void {
    state = next;
    for (const listener of listeners) listener();
  }

  async function refetch(): Promise<void> {
    const own = ++latest;
    if (!state.isLoading) become({ ...state, isLoading: true });
    try {
      const data = await deps.load();
      // What was asked later knows more.
      if (own === latest) become({ data, error: null, isLoading: false });
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      if (own === latest) become({ ...state, error, isLoading: false });
      deps.onError(error);
    }
  }

  return {
    get: () => state,
    subscribe(listener) {
      listeners.add(listener);
      if (listeners.size === 1) {
        deps.onUsed();
        void refetch();
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) deps.onUnused();
      };
    },
    refetch,
    set(data) {
      latest++;
      become({ data, error: null, isLoading: false });
    },
    get isUsed() {
      return listeners.size > 0;
    },
  };
}
