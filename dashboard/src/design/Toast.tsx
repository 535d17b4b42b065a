import { Toast as BaseToast } from '@base-ui/react/toast';
import { X } from 'lucide-react';
import type { ReactNode } from 'react';
import { IconButton } from './Button.js';
import styles from './Toast.module.css';

const manager = BaseToast.createToastManager();

/** A short note about what was done. Errors that need a decision belong beside their cause instead. */
export function toast({
  title,
  text,
  tone = 'success',
}: {
  title: string;
  text?: string;
  tone?: 'success' | 'info' | 'danger';
}): void {
  manager.add({
    title,
    description: text,
    type: tone,
    priority: tone === 'danger' ? 'high' : 'low',
    timeout: tone === 'danger' ? 10_000 : 5_000,
  });
}

export function ToastProvider({ children }: { children: ReactNode }) {
  return (
    <BaseToast.Provider toastManager={manager} limit={3}>
      {children}
      <BaseToast.Portal>
        <BaseToast.Viewport className={styles.viewport}>
          <Toasts />
        </BaseToast.Viewport>
      </BaseToast.Portal>
    </BaseToast.Provider>
  );
}

function Toasts() {
  const { toasts } = BaseToast.useToastManager();
  return toasts.map((item) => (
    <BaseToast.Root key={item.id} toast={item} className={styles.toast}>
      <BaseToast.Content className={styles.content}>
        <BaseToast.Title className={styles.title} />
        <BaseToast.Description className={styles.text} />
      </BaseToast.Content>
      <BaseToast.Close
        render={<IconButton size="small" label="Close" icon={<X size={15} aria-hidden="true" />} />}
      />
    </BaseToast.Root>
  ));
}
