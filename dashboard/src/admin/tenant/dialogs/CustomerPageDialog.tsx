import { useRef, useState } from 'react';
import {
  Button,
  Dialog,
  FormDialog,
  isWebAddress,
  LinkOut,
  SecretOnce,
  Stack,
  TextField,
  Time,
} from '../../../design/index.js';
import type { OpenCustomerPageMutation } from '../../../generated/graphql.js';
import { graphql } from '../../../generated/index.js';
import { type ActionDialogProps, useChange, useTenantPage } from '../tenantPage.js';

const CREATE = graphql(`
  mutation OpenCustomerPage($input: CreateBillingPageSessionInput!) {
    createBillingPageSession(input: $input) {
      url
      expiresAt
    }
  }
`);

type Session = NonNullable<OpenCustomerPageMutation['createBillingPageSession']>;

export function CustomerPageDialog({ onClose }: ActionDialogProps) {
  const [session, setSession] = useState<Session | null>(null);
  if (session) return <SessionLink session={session} onClose={onClose} />;
  return <SessionForm onClose={onClose} onCreated={setSession} />;
}

function SessionForm({ onClose, onCreated }: ActionDialogProps & { onCreated(session: Session): void }) {
  const { tenantId, tenant } = useTenantPage();
  const create = useChange(CREATE, { secret: true });
  const [returnUrl, setReturnUrl] = useState(location.href.replace(/[?#].*/, ''));
  const [locale, setLocale] = useState('en-US');
  const created = useRef<Session | null>(null);
  return (
    <FormDialog
      open
      onClose={() => (created.current ? onCreated(created.current) : onClose())}
      title={`The billing page of ${tenant.name}`}
      submit="Create link"
      ready={isWebAddress(returnUrl) && locale.trim() !== ''}
      onSubmit={async () => {
        const { createBillingPageSession } = await create({
          input: { tenantId, returnUrl, locale: locale.trim() },
        });
        created.current = createBillingPageSession;
      }}
    >
      <p>
        The link opens the page on which the tenant sees its usage and invoices, and pays. Anyone who opens it
        acts for the tenant. The audit log records that it was created.
      </p>
      <TextField
        label="Where the page links back to"
        type="url"
        value={returnUrl}
        onChange={setReturnUrl}
        error={!isWebAddress(returnUrl) && 'An address that begins with https:// or http://'}
        autoComplete="off"
      />
      <TextField
        label="Language of numbers and dates"
        hint="A language tag such as de-DE"
        value={locale}
        onChange={setLocale}
        autoComplete="off"
        spellCheck={false}
      />
    </FormDialog>
  );
}

function SessionLink({ session, onClose }: { session: Session } & ActionDialogProps) {
  const { tenant } = useTenantPage();
  return (
    <Dialog
      open
      onClose={onClose}
      title={`The billing page of ${tenant.name}`}
      actions={
        <Button variant="primary" onClick={onClose}>
          Done
        </Button>
      }
    >
      <Stack tight>
        <SecretOnce secret={session.url} what="link">
          It works once, until <Time at={session.expiresAt} />. Opening it here uses it up.
        </SecretOnce>
        <LinkOut href={session.url}>Open the page as the tenant</LinkOut>
      </Stack>
    </Dialog>
  );
}
