import { Toast as BaseToast } from '@base-ui/react/toast';
import { X } from 'lucide-react';
import { useEffect } from 'react';
import { IconButton } from './Button.js';
import styles from './Toast.module.css';
import { onToast, takeToasts } from './toastQueue.js';

const LONG_MS = 10_000;
const SHORT_MS = 5_000;

export default function ToastList() {
  return (
    <BaseToast.Provider limit={3}>
      <BaseToast.Portal>
        <BaseToast.Viewport className={styles.viewport}>
          <Shown />
        </BaseToast.Viewport>
      </BaseToast.Portal>
    </BaseToast.Provider>
  );
}

function Shown() {
  const { toasts, add } = BaseToast.useToastManager();
  useEffect(() => {
    const show = () => {
      for (const { title, text, tone = 'success' } of takeToasts()) {
        const urgent = tone === 'danger';
        add({
          title,
          description: text,
          type: tone,
          priority: urgent ? 'high' : 'low',
          timeout: urgent ? LONG_MS : SHORT_MS,
        });
      }
    };
    show();
    return onToast(show);
  }, [add]);
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
