import type { Account } from '../planState.js';

export interface PlanDialogProps {
  account: Account;
  onClose(): void;
  /** Says what was done. */
  say(text: string): void;
}
