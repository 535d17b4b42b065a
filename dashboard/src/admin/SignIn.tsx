import { useQuery } from '@apollo/client/react';
import { isBillingError } from '@continuum-billing/client';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { BRAND, operatorName, pathOf, publicClient } from '../api/brand.js';
import { explain } from '../api/errors.js';
import { Button, Callout, formatCount, TextField } from '../design/index.js';
import styles from './SignIn.module.css';
import { useSession } from './session.js';

/** One field and one button. It takes the place of the page, whose address stays: signing in shows that page. */
export function SignIn({ reason }: { reason: string | null }) {
  const { signIn } = useSession();
  const [key, setKey] = useState('');
  const [pending, setPending] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const form = useRef<HTMLFormElement>(null);

  // Without the name the page still works: nobody waits for it.
  const { data } = useQuery(BRAND, { client: publicClient, fetchPolicy: 'cache-first' });
  const name = operatorName(data?.brand);
  useEffect(() => {
    document.title = `Sign in · ${name}`;
  }, [name]);
  useEffect(() => form.current?.querySelector('input')?.focus(), []);

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (key.trim() === '') {
      setProblem(
        'Enter an operator key: the one that the first start printed, one of the page Operators, or the server’s ADMIN_API_KEY.',
      );
      return;
    }
    setPending(true);
    setProblem(null);
    try {
      await signIn(key.trim());
    } catch (error) {
      setProblem(problemOf(error));
      form.current?.querySelector('input')?.focus();
    } finally {
      // The key is in the page no longer than its request.
      setKey('');
      setPending(false);
    }
  }

  return (
    <main className={styles.page}>
      <form ref={form} className={styles.form} onSubmit={submit} noValidate>
        <div>
          {data?.brand.logoUrl && <img src={pathOf(data.brand.logoUrl)} alt="" className={styles.logo} />}
          <p className={styles.product}>{name}</p>
          <h1>Sign in</h1>
        </div>
        {reason && <Callout tone="info">{reason}</Callout>}
        <TextField
          label="Operator key"
          type="password"
          name="operator-key"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          value={key}
          onChange={setKey}
          error={problem}
        />
        <Button type="submit" variant="primary" pending={pending}>
          Sign in
        </Button>
        <p className={styles.note}>The key is sent to this server only, and this page does not keep it.</p>
      </form>
    </main>
  );
}

function problemOf(error: unknown): string {
  const { code, message, title, advice } = explain(error);
  switch (code) {
    case 'UNAUTHENTICATED':
    case 'PAYLOAD_TOO_LARGE': // No key is as long as a request that is rejected for its size.
      return 'This key is not known, or does not work any more. Check that it was copied whole.';
    case 'FORBIDDEN':
      return 'This is a tenant’s or a service’s key. Sign in with an operator key.';
    case 'RATE_LIMITED': {
      const seconds = isBillingError(error) ? error.retryAfterS : null;
      return `Too many wrong keys came from your address. Try again ${seconds === null ? 'in a minute' : `in ${formatCount(seconds, 'second')}`}.`;
    }
    case 'NETWORK':
      return `${title}. Check whether it runs, and try again.`;
    default:
      return `${message} ${advice}`;
  }
}
