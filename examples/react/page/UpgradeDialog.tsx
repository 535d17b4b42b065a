import { PricingTable } from '@continuum-billing/react';
import { useEffect, useRef } from 'react';
import type { PlanLimit } from './limitLink.js';

/** Offers a larger plan when a call was rejected. The checkout leads back to this page. */
export function UpgradeDialog({ limit, onClose }: { limit: PlanLimit; onClose(): void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const resets = limit.resetsAt && new Date(limit.resetsAt).toLocaleTimeString();
  return (
    <dialog ref={dialog} className="upgrade" aria-labelledby="upgrade" onClose={onClose}>
      <header>
        <h2 id="upgrade">Your plan has no more calls</h2>
        <button type="button" onClick={() => dialog.current?.close()}>
          Not now
        </button>
      </header>
      <p>{resets ? `You can go on at ${resets}, or at once with a larger plan.` : limit.message}</p>
      <PricingTable highlightedTier="PRO" />
    </dialog>
  );
}
