import { useCallback, useMemo } from 'react';
import { useSearchParams } from 'react-router';

export interface Filters<Name extends string> {
  /** '' where nothing is chosen. */
  values: Readonly<Record<Name, string>>;
  set(name: Name, value: string): void;
  clear(): void;
  /** Whether anything is chosen. */
  active: boolean;
}

/** Filters live in the URL: a link shows what the sender saw, and reloading keeps it. */
export function useFilters<Name extends string>(...names: Name[]): Filters<Name> {
  const [search, setSearch] = useSearchParams();
  const key = names.join(' ');
  const values = useMemo(
    () =>
      Object.fromEntries(key.split(' ').map((name) => [name, search.get(name) ?? ''])) as Record<
        Name,
        string
      >,
    [search, key],
  );
  const update = useCallback(
    (change: (params: URLSearchParams) => void) =>
      setSearch(
        (params) => {
          const next = new URLSearchParams(params);
          change(next);
          return next;
        },
        { replace: true, preventScrollReset: true },
      ),
    [setSearch],
  );
  return {
    values,
    set: (name, value) => update((params) => (value === '' ? params.delete(name) : params.set(name, value))),
    clear: () =>
      update((params) => {
        for (const name of names) params.delete(name);
      }),
    active: Object.values(values).some((value) => value !== ''),
  };
}
