import { Tooltip as BaseTooltip } from '@base-ui/react/tooltip';
import type { ReactElement } from 'react';
import styles from './Popup.module.css';

/** A short explanation of a word or a control. Never the only place of something that one must know. */
export function Tooltip({ text, children }: { text: string; children: ReactElement | string }) {
  const trigger: ReactElement =
    typeof children === 'string' ? (
      <button type="button" className={styles.trigger}>
        {children}
      </button>
    ) : (
      children
    );
  return (
    <BaseTooltip.Root>
      <BaseTooltip.Trigger render={trigger} />
      <BaseTooltip.Portal>
        <BaseTooltip.Positioner className={styles.positioner} sideOffset={6}>
          <BaseTooltip.Popup className={styles.tooltip}>{text}</BaseTooltip.Popup>
        </BaseTooltip.Positioner>
      </BaseTooltip.Portal>
    </BaseTooltip.Root>
  );
}
