import { CSPProvider } from '@base-ui/react/csp-provider';
import type { ReactNode } from 'react';
import { type Explanation, ExplanationProvider } from './explanation.js';
import { ToastArea } from './ToastArea.js';

/** Around each of the two applications. @param props.explain its words for an error */
export function DesignProvider({
  explain,
  children,
}: {
  explain(error: unknown): Explanation;
  children: ReactNode;
}) {
  return (
    // The Content-Security-Policy allows no inline styles, so what Base UI would add as <style> is left out.
    <CSPProvider disableStyleElements>
      <ExplanationProvider value={explain}>{children}</ExplanationProvider>
      <ToastArea />
    </CSPProvider>
  );
}
