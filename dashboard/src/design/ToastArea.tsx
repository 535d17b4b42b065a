import { lazy, Suspense, useSyncExternalStore } from 'react';
import { onToast, wereUsed } from './toastQueue.js';

const ToastList = lazy(() => import('./ToastList.js'));

/** Loads what shows toasts with the first of them. */
export function ToastArea() {
  return useSyncExternalStore(onToast, wereUsed) ? (
    <Suspense>
      <ToastList />
    </Suspense>
  ) : null;
}
