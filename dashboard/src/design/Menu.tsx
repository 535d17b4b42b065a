import { Menu as BaseMenu } from '@base-ui/react/menu';
import { type ReactElement, type ReactNode, useState } from 'react';
import { useNavigate } from 'react-router';
import { cx } from './cx.js';
import styles from './Popup.module.css';

export type MenuItem =
  | {
      label: string;
      icon?: ReactNode;
      danger?: boolean | undefined;
      disabled?: boolean | undefined;
      onSelect?: (() => void) | undefined;
      /** Instead of onSelect: a page. */
      to?: string | undefined;
    }
  | 'separator';

/** Actions behind a button. @param trigger a Button or IconButton that names what the menu is for */
export function Menu({ trigger, items }: { trigger: ReactElement; items: readonly (MenuItem | false)[] }) {
  const navigate = useNavigate();
  // Inside <main>, so that screen readers do not find it outside of every landmark.
  const [main, setMain] = useState<HTMLElement | null>(null);
  return (
    <BaseMenu.Root onOpenChange={() => setMain(document.querySelector('main'))}>
      <BaseMenu.Trigger render={trigger} />
      <BaseMenu.Portal container={main}>
        <BaseMenu.Positioner className={styles.positioner} sideOffset={4} align="end">
          <BaseMenu.Popup className={styles.popup}>
            {items.map((item, index) => {
              if (!item) return null;
              if (item === 'separator') {
                // biome-ignore lint/suspicious/noArrayIndexKey: a separator is known by its place only
                return <BaseMenu.Separator key={index} className={styles.separator} />;
              }
              const { to, onSelect } = item;
              return (
                <BaseMenu.Item
                  key={item.label}
                  className={cx(styles.item, item.danger && styles.danger)}
                  disabled={item.disabled ?? false}
                  onClick={() => (to ? navigate(to) : onSelect?.())}
                >
                  {item.icon}
                  {item.label}
                </BaseMenu.Item>
              );
            })}
          </BaseMenu.Popup>
        </BaseMenu.Positioner>
      </BaseMenu.Portal>
    </BaseMenu.Root>
  );
}
