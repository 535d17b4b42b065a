import { useUrlParams } from '../../design/index.js';

/** What a list shows in a dialog is in the URL, so that a link leads to it and "back" closes it. */
export interface Opened {
  /** null: nothing is open. */
  id: string | null;
  /** Where a row links to. */
  linkTo(id: string): string;
  close(): void;
}

export function useOpened(param: string): Opened {
  const [search, update] = useUrlParams();
  return {
    id: search.get(param),
    linkTo(id) {
      const next = new URLSearchParams(search);
      next.set(param, id);
      return `?${next}`;
    },
    close: () => update((params) => params.delete(param)),
  };
}

/** A filter from the URL may be nonsense, which then filters nothing. */
export function oneOf<Value extends string>(text: string, values: readonly Value[]): Value | null {
  return values.find((value) => value === text) ?? null;
}

/** What a person types to name a tenant: its id, or the operator's own. */
export function tenantFilter(text: string): { tenantId?: string; externalId?: string } {
  if (text === '') return {};
  return text.startsWith('ten_') ? { tenantId: text } : { externalId: text };
}

/** @returns the options of a Select for the values of an enum */
export function optionsOf<Value extends string>(
  values: readonly Value[],
  labelOf: (value: Value) => string,
): { value: Value; label: string }[] {
  return values.map((value) => ({ value, label: labelOf(value) }));
}
