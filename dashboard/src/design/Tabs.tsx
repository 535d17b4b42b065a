import { Tabs as BaseTabs } from '@base-ui/react/tabs';
import { type ReactNode, useEffect, useRef } from 'react';
import styles from './Tabs.module.css';
import { useUrlParams } from './useUrlParams.js';

export interface TabItem {
  /** Its value in the URL. */
  id: string;
  label: string;
  /** Rendered, and so loaded, only while the tab is open. */
  content: () => ReactNode;
}

/** How much of the tab before the open one stays in sight. */
const TAB_MARGIN_PX = 64;

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
  const [search, update] = useUrlParams();
  const first = items[0]?.id;
  const wanted = search.get(param);
  const open = items.some(({ id }) => id === wanted) ? wanted : first;
  const list = useRef<HTMLDivElement>(null);
  // On a narrow page the tabs scroll, and the open one may be out of sight.
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is open decides
  useEffect(() => {
    const tab = list.current?.querySelector<HTMLElement>('[aria-selected="true"]');
    if (tab && list.current) list.current.scrollLeft = tab.offsetLeft - TAB_MARGIN_PX;
  }, [open]);
  return (
    <BaseTabs.Root
      value={open ?? null}
      onValueChange={(value) =>
        update((params) => {
          if (value === first) params.delete(param);
          else params.set(param, String(value));
        })
      }
    >
      <BaseTabs.List ref={list} className={styles.list} aria-label={label} activateOnFocus={false}>
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
