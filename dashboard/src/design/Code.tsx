import { Check, Copy } from 'lucide-react';
import { type ReactNode, useEffect, useState } from 'react';
import { Button, IconButton } from './Button.js';
import { Callout } from './Callout.js';
import styles from './Code.module.css';
import { cx } from './cx.js';
import { toast } from './toastQueue.js';

const COPIED_MS = 2_000;

function useCopy(text: string) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // Without https, browsers have no clipboard.
      toast({
        tone: 'danger',
        title: 'The browser did not allow copying',
        text: 'Select the text and copy it.',
      });
    }
  }
  return { copied, copy };
}

/** Copies a text. With `label` it is a button with words, otherwise an icon. */
function CopyButton({ text, what, label }: { text: string; what: string; label?: string }) {
  const { copied, copy } = useCopy(text);
  const icon = copied ? <Check size={15} aria-hidden="true" /> : <Copy size={15} aria-hidden="true" />;
  if (label) {
    return (
      <Button icon={icon} onClick={copy}>
        {copied ? 'Copied' : label}
      </Button>
    );
  }
  return <IconButton size="small" label={copied ? 'Copied' : `Copy ${what}`} icon={icon} onClick={copy} />;
}

/** An id, whole and copyable. */
export function Id({ value, what = 'the id' }: { value: string; what?: string }) {
  return (
    <span className={styles.id}>
      <code>{value}</code>
      <CopyButton text={value} what={what} />
    </span>
  );
}

/** Text as it is: nothing in it is ever markup. */
export function CodeBlock({
  text,
  label,
  copy = true,
}: {
  text: string;
  /** What it is, for screen readers: "Payload". */
  label: string;
  copy?: boolean;
}) {
  return (
    <div className={styles.block}>
      {/* biome-ignore lint/a11y/useSemanticElements: not a landmark, of which there would be too many */}
      <div
        className={cx(styles.scroll, copy && styles.withCopy)}
        role="group"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        aria-label={label}
      >
        <pre className={styles.pre}>{text}</pre>
      </div>
      {copy && (
        <div className={styles.copy}>
          <CopyButton text={text} what={label.toLowerCase()} />
        </div>
      )}
    </div>
  );
}

/** A value, or a text that should be JSON, indented. */
export function JsonView({ value, label }: { value: unknown; label: string }) {
  let text: string;
  try {
    text = JSON.stringify(typeof value === 'string' ? JSON.parse(value) : value, null, 2) ?? '';
  } catch {
    text = String(value);
  }
  return <CodeBlock text={text} label={label} />;
}

/** A secret that can never be shown again. */
export function SecretOnce({
  secret,
  what,
  children,
}: {
  secret: string;
  what: string;
  children?: ReactNode;
}) {
  return (
    <div className={styles.once}>
      <Callout tone="warning" title={`Copy the ${what} now`}>
        It is shown only this once. {children}
      </Callout>
      <div className={styles.secret}>
        <code>{secret}</code>
        <CopyButton text={secret} what={what} label="Copy" />
      </div>
    </div>
  );
}
