import { Tabs as BaseTabs } from '@base-ui/react/tabs';
import type { ReactNode } from 'react';
import { useSearchParams } from 'react-router';
import styles from './Tabs.module.css';

export interface TabItem {
  /** Its value in the URL. */
  id: string;
  label: string;
  /** Rendered, and so loaded, only while the tab is open. */
  content: () => ReactNode;
}

/** Views of one thing. The open one is in the URL, so that a link leads to it. */
export function Tabs({
  items,
  label,
  param = 'tab',
}: {
  items: readonly TabItem[];
  label: string;
  param?: string;
}) {
  const [search, setSearch] = useSearchParams();
  const first = items[0]?.id;
  const wanted = search.get(param);
  const open = items.some(({ id }) => id === wanted) ? wanted : first;
  return (
    <BaseTabs.Root
      value={open ?? null}
      onValueChange={(value) =>
        setSearch(
          (params) => {
            if (value === first) params.delete(param);
            else params.set(param, String(value));
            return params;
          },
          { replace: true, preventScrollReset: true },
        )
      }
    >
      <BaseTabs.List className={styles.list} aria-label={label} activateOnFocus={false}>
        {items.map((item) => (
          <BaseTabs.Tab key={item.id} value={item.id} className={styles.tab}>
            {item.label}
          </BaseTabs.Tab>
        ))}
      </BaseTabs.List>
      {items.map((item) => (
        <BaseTabs.Panel key={item.id} value={item.id} className={styles.panel}>
          {item.content()}
        </BaseTabs.Panel>
      ))}
    </BaseTabs.Root>
  );
}
