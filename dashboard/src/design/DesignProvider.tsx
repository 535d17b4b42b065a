import { CSPProvider } from '@base-ui/react/csp-provider';
import type { ReactNode } from 'react';
import { ToastArea } from './ToastArea.js';

/** Around each of the two applications. */
export function DesignProvider({ children }: { children: ReactNode }) {
  return (
    // The Content-Security-Policy allows no inline styles, so what Base UI would add as <style> is left out.
    <CSPProvider disableStyleElements>
      {children}
      <ToastArea />
    </CSPProvider>
  );
}
