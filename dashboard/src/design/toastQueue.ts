export interface ToastOptions {
  title: string;
  text?: string | undefined;
  tone?: 'success' | 'info' | 'danger' | undefined;
}

/** What is to be shown next. ToastList.tsx takes it from here. */
let waiting: readonly ToastOptions[] = [];
let used = false;
const listeners = new Set<() => void>();

/** A short note about what was done. Errors that need a decision belong beside their cause instead. */
export function toast(options: ToastOptions): void {
  waiting = [...waiting, options];
  used = true;
  for (const listener of listeners) listener();
}

export function takeToasts(): readonly ToastOptions[] {
  const taken = waiting;
  waiting = [];
  return taken;
}

export function onToast(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function wereUsed(): boolean {
  return used;
}
