import { Fragment, type ReactNode } from 'react';

/** Names and values below each other. What is null or false is left out. */
export function Terms({ items }: { items: readonly ([string, ReactNode] | null | false)[] }) {
  return (
    <dl className="cb-terms">
      {items.map(
        (item) =>
          item && (
            <Fragment key={item[0]}>
              <dt>{item[0]}</dt>
              <dd>{item[1]}</dd>
            </Fragment>
          ),
      )}
    </dl>
  );
}
