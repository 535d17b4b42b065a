import { type FormEvent, type ReactNode, useId, useLayoutEffect, useRef, useState } from 'react';
import { useBillingContext } from '../BillingProvider.js';
import { Button } from './Button.js';
import { ErrorCallout } from './Callout.js';

export interface DialogProps {
  onClose(): void;
  title: string;
  /** What the button says: a verb. */
  confirm: string;
  /** What the other button says, where "Cancel" could be taken for the action. */
  dismiss?: string | undefined;
  /** For what takes something away. */
  danger?: boolean | undefined;
  /** What is chosen first, above the text that says what will happen. */
  fields?: ReactNode;
  /** False while something that the text needs is loading or missing. */
  ready?: boolean | undefined;
  /** What it throws is shown in the dialog, which stays open; otherwise the dialog closes. */
  onConfirm(): Promise<unknown>;
  children: ReactNode;
}

/** Asks before an action and says what it will do. It is open while it is there. The browser keeps the focus inside. */
export function Dialog(props: DialogProps) {
  const { onClose, title, confirm, dismiss, danger, fields, ready = true, onConfirm, children } = props;
  const { texts, onError } = useBillingContext();
  const dialog = useRef<HTMLDialogElement>(null);
  const [isPending, setPending] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const titleId = useId();
  const textId = useId();
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    // The browser gives the focus back to what had it.
    return () => element?.close();
  }, []);

  /** What runs is not interrupted; closing would hide how it ends. */
  const close = () => {
    if (!isPending) onClose();
  };
  async function run(event: FormEvent) {
    event.preventDefault();
    if (!ready || isPending) return;
    setPending(true);
    setError(null);
    try {
      await onConfirm();
      onClose();
    } catch (thrown) {
      setError(thrown);
      onError(thrown);
      setPending(false);
    }
  }

  return (
    <dialog
      ref={dialog}
      className="cb-dialog"
      role="alertdialog"
      aria-labelledby={titleId}
      aria-describedby={textId}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
    >
      <form onSubmit={run}>
        <h2 id={titleId} className="cb-dialog-title">
          {title}
        </h2>
        <div className="cb-dialog-body">
          {fields}
          <div id={textId} className="cb-dialog-text">
            {children}
          </div>
          {error !== null && <ErrorCallout error={error} />}
        </div>
        <div className="cb-dialog-actions">
          <Button onClick={close}>{dismiss ?? texts.dismiss}</Button>
          <Button type="submit" variant={danger ? 'danger' : 'primary'} disabled={!ready} pending={isPending}>
            {confirm}
          </Button>
        </div>
      </form>
    </dialog>
  );
}
