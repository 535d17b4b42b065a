import { useMemo } from 'react';
import { useUrlParams } from './useUrlParams.js';

export interface Filters<Name extends string> {
  /** '' where nothing is chosen. */
  values: Readonly<Record<Name, string>>;
  set(name: Name, value: string): void;
  clear(): void;
  /** Whether anything is chosen. */
  active: boolean;
}

/** The filters of a list. */
export function useFilters<Name extends string>(...names: Name[]): Filters<Name> {
  const [search, update] = useUrlParams();
  const key = names.join(' ');
  const values = useMemo(
    () =>
      Object.fromEntries(key.split(' ').map((name) => [name, search.get(name) ?? ''])) as Record<
        Name,
        string
      >,
    [search, key],
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
