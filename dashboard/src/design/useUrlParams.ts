import { useCallback } from 'react';
import { useSearchParams } from 'react-router';

/**
 * What a person has chosen, in the URL: a link shows what the sender saw, and reloading keeps it.
 * @returns the parameters, and a function that changes them without a step in the browser's history
 */
export function useUrlParams(): [URLSearchParams, (change: (params: URLSearchParams) => void) => void] {
  const [search, setSearch] = useSearchParams();
  const update = useCallback(
    (change: (params: URLSearchParams) => void) => {
      // Not those of the last render, before which there may have been another change.
      const params = new URLSearchParams(window.location.search);
      change(params);
      setSearch(params, { replace: true, preventScrollReset: true });
    },
    [setSearch],
  );
  return [search, update];
}
