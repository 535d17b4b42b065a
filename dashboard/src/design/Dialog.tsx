import { AlertDialog } from '@base-ui/react/alert-dialog';
import { Dialog as BaseDialog } from '@base-ui/react/dialog';
import { X } from 'lucide-react';
import { type FormEvent, type ReactNode, useId, useRef, useState } from 'react';
import { Button, IconButton } from './Button.js';
import { Callout } from './Callout.js';
import { cx } from './cx.js';
import styles from './Dialog.module.css';
import { useExplain } from './explanation.js';
import { TextField } from './Field.js';

export interface DialogProps {
  open: boolean;
  onClose(): void;
  title: string;
  /** At the bottom, on the right. */
  actions?: ReactNode;
  wide?: boolean | undefined;
  children: ReactNode;
}

const FIELDS = ':is(input, select, textarea):not(:disabled, [type=hidden], [readonly])';

/** Something to read or fill in above the page. The focus stays inside, Escape closes it. */
export function Dialog({ open, onClose, title, actions, wide, children }: DialogProps) {
  const popup = useRef<HTMLDivElement>(null);
  return (
    <BaseDialog.Root
      open={open}
      onOpenChange={(next) => !next && onClose()}
      // A click beside it would lose what was typed, or a secret that is shown once.
      disablePointerDismissal
    >
      <BaseDialog.Portal>
        <BaseDialog.Backdrop className={styles.backdrop} />
        <BaseDialog.Popup
          ref={popup}
          className={cx(styles.popup, wide && styles.wide)}
          // Not the button that closes it.
          initialFocus={() => popup.current?.querySelector<HTMLElement>(FIELDS) ?? true}
        >
          <div className={styles.head}>
            <BaseDialog.Title className={styles.title}>{title}</BaseDialog.Title>
            <BaseDialog.Close
              render={<IconButton label="Close" size="small" icon={<X size={16} aria-hidden="true" />} />}
            />
          </div>
          <div className={styles.body}>{children}</div>
          {actions && <div className={styles.actions}>{actions}</div>}
        </BaseDialog.Popup>
      </BaseDialog.Portal>
    </BaseDialog.Root>
  );
}

/** A dialog with fields. Enter sends it; while it is sent nothing can be sent again; an error stays in view. */
export function FormDialog({
  open,
  onClose,
  title,
  submit,
  dismiss = 'Cancel',
  danger,
  wide,
  ready = true,
  onSubmit,
  children,
}: {
  open: boolean;
  onClose(): void;
  title: string;
  /** What the button says: a verb. */
  submit: string;
  /** What the other button says, where "Cancel" could be taken for the action itself. */
  dismiss?: string | undefined;
  danger?: boolean | undefined;
  wide?: boolean | undefined;
  /** False while something is missing, or a preview is loading. */
  ready?: boolean | undefined;
  /** What it throws is shown in the dialog, which stays open; otherwise the dialog closes. */
  onSubmit(): Promise<unknown>;
  children: ReactNode;
}) {
  const form = useId();
  const action = useAction(onSubmit, onClose);
  return (
    <Dialog
      open={open}
      onClose={action.close}
      title={title}
      wide={wide}
      actions={
        <Choice
          form={form}
          action={action}
          dismiss={dismiss}
          submit={submit}
          danger={danger}
          allowed={ready}
        />
      }
    >
      <form
        id={form}
        className={styles.stack}
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (ready) void action.run();
        }}
      >
        {children}
        {action.error !== null && <ActionError error={action.error} />}
      </form>
    </Dialog>
  );
}

/** Runs an action once at a time and remembers its error. */
function useAction(perform: () => Promise<unknown>, onClose: () => void) {
  const [pending, setPending] = useState(false);
  const [error, setError] = useState<unknown>(null);
  return {
    pending,
    error,
    close() {
      // What runs is not interrupted; closing would hide how it ends.
      if (pending) return;
      setError(null);
      onClose();
    },
    async run() {
      if (pending) return;
      setPending(true);
      setError(null);
      try {
        await perform();
        onClose();
      } catch (cause) {
        setError(cause);
      } finally {
        setPending(false);
      }
    },
  };
}

/** The two buttons at the bottom: to leave it, and to do it. */
function Choice({
  form,
  action,
  dismiss,
  submit,
  danger,
  allowed,
}: {
  form: string;
  action: ReturnType<typeof useAction>;
  dismiss: string;
  submit: string;
  danger: boolean | undefined;
  allowed: boolean;
}) {
  return (
    <>
      <Button onClick={action.close}>{dismiss}</Button>
      <Button
        type="submit"
        form={form}
        variant={danger ? 'danger' : 'primary'}
        disabled={!allowed}
        pending={action.pending}
      >
        {submit}
      </Button>
    </>
  );
}

function ActionError({ error }: { error: unknown }) {
  const { title, message, advice } = useExplain()(error);
  return (
    <Callout tone="danger" title={title}>
      {message} {advice}
    </Callout>
  );
}

export interface ConfirmDialogProps {
  open: boolean;
  onClose(): void;
  /** A question or the action: "Revoke this key?" */
  title: string;
  /** What will happen, to whom, and whether it can be undone. */
  children: ReactNode;
  /** What the button says: the same verb as the title. */
  confirm: string;
  /** What the other button says, where "Cancel" could be taken for the action. */
  dismiss?: string | undefined;
  /** For what takes something away. */
  danger?: boolean | undefined;
  /** What is chosen first, above the text that says what will happen. */
  fields?: ReactNode;
  /** The button works only after this text was typed, for what cannot be undone. */
  typed?: string | undefined;
  /** False while something that the text needs is loading or missing. */
  ready?: boolean | undefined;
  /** What it throws is shown in the dialog, which stays open; otherwise the dialog closes. */
  onConfirm(): Promise<unknown>;
}

/** Asks before an action and says what it will do. */
export function ConfirmDialog({
  open,
  onClose,
  title,
  children,
  confirm,
  dismiss = 'Cancel',
  danger,
  fields,
  typed,
  ready = true,
  onConfirm,
}: ConfirmDialogProps) {
  const [text, setText] = useState('');
  const form = useId();
  const action = useAction(onConfirm, () => {
    setText('');
    onClose();
  });
  const allowed = ready && (typed === undefined || text.trim() === typed);
  return (
    <AlertDialog.Root open={open} onOpenChange={(next) => !next && action.close()}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className={styles.backdrop} />
        <AlertDialog.Popup className={styles.popup}>
          <div className={styles.head}>
            <AlertDialog.Title className={styles.title}>{title}</AlertDialog.Title>
          </div>
          <form
            id={form}
            className={cx(styles.body, styles.stack)}
            onSubmit={(event) => {
              event.preventDefault();
              if (allowed) void action.run();
            }}
          >
            {fields}
            <AlertDialog.Description render={<div className={styles.stack} />}>
              {children}
            </AlertDialog.Description>
            {typed !== undefined && (
              <TextField
                label={`Type ${typed} to confirm`}
                value={text}
                onChange={setText}
                autoComplete="off"
                spellCheck={false}
              />
            )}
            {action.error !== null && <ActionError error={action.error} />}
          </form>
          <div className={styles.actions}>
            <Choice
              form={form}
              action={action}
              dismiss={dismiss}
              submit={confirm}
              danger={danger}
              allowed={allowed}
            />
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
