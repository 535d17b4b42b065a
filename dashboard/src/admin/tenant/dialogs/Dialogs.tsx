import type { Action, ActionDialogProps } from '../tenantPage.js';
import { CancelDialog, ResumeDialog } from './CancelDialog.js';
import { ChangeTierDialog } from './ChangeTierDialog.js';
import { CheckoutDialog } from './CheckoutDialog.js';
import { ContractDialog } from './ContractDialog.js';
import { CustomerPageDialog } from './CustomerPageDialog.js';
import { DetailsDialog } from './DetailsDialog.js';
import { EraseDialog } from './EraseDialog.js';
import { ExportDialog } from './ExportDialog.js';
import { ExtendTrialDialog } from './ExtendTrialDialog.js';
import { LimitsDialog } from './LimitsDialog.js';
import { OverageDialog } from './OverageDialog.js';
import { PausePaymentsDialog, ResumePaymentsDialog } from './PauseDialogs.js';
import { ReinstateDialog, SuspendDialog } from './SuspendDialog.js';

const DIALOGS: Readonly<Record<Action, React.ComponentType<ActionDialogProps>>> = {
  changeTier: ChangeTierDialog,
  cancel: CancelDialog,
  resume: ResumeDialog,
  extendTrial: ExtendTrialDialog,
  pausePayments: PausePaymentsDialog,
  resumePayments: ResumePaymentsDialog,
  overage: OverageDialog,
  checkout: CheckoutDialog,
  contract: ContractDialog,
  customerPage: CustomerPageDialog,
  limits: LimitsDialog,
  details: DetailsDialog,
  suspend: SuspendDialog,
  reinstate: ReinstateDialog,
  export: ExportDialog,
  erase: EraseDialog,
};

/** The dialog of the action that was chosen. Each is mounted when it is opened, so that it begins with what is true now. */
export function Dialogs({ action, onClose }: { action: Action | null; onClose(): void }) {
  if (!action) return null;
  const Dialog = DIALOGS[action];
  return <Dialog onClose={onClose} />;
}
