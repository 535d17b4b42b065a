import { useMutation } from '@apollo/client/react';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import {
  Button,
  Callout,
  Dialog,
  FormDialog,
  SecretOnce,
  Stack,
  TextField,
  toast,
} from '../../design/index.js';
import { graphql } from '../../generated/index.js';
import { RoleGate } from '../session.js';

const CREATE_TENANT = graphql(`
  mutation CreateTenant($input: CreateTenantInput!) {
    createTenant(input: $input) {
      tenant {
        id
        name
      }
      apiKey {
        id
        secret
      }
    }
  }
`);

const EMPTY = { name: '', email: '', externalId: '' };

/** Creates a tenant and shows its first key once. */
export function CreateTenant() {
  const [open, setOpen] = useState(false);
  const [form, setForm] = useState(EMPTY);
  const [created, setCreated] = useState<{ id: string; name: string; secret: string } | null>(null);
  const [createTenant] = useMutation(CREATE_TENANT, { refetchQueries: ['Tenants'] });
  const navigate = useNavigate();

  async function create(): Promise<void> {
    const { data } = await createTenant({
      variables: {
        input: {
          name: form.name.trim(),
          email: form.email.trim() || null,
          externalId: form.externalId.trim() || null,
        },
      },
    });
    const { tenant, apiKey } = data?.createTenant ?? {};
    if (tenant && apiKey) setCreated({ ...tenant, secret: apiKey.secret });
    else if (tenant) {
      toast({ tone: 'info', title: 'A tenant with this id exists already', text: tenant.name });
      navigate(`/tenants/${encodeURIComponent(tenant.id)}`);
    }
  }

  return (
    <RoleGate role="PROVISION">
      <Button
        variant="primary"
        icon={<Plus size={16} aria-hidden="true" />}
        onClick={() => {
          setForm(EMPTY);
          setOpen(true);
        }}
      >
        Create tenant
      </Button>
      <FormDialog
        open={open}
        onClose={() => setOpen(false)}
        title="Create a tenant"
        submit="Create tenant"
        onSubmit={create}
      >
        <p>It begins on the free tier and gets its first API key, which is shown once.</p>
        <TextField
          label="Name"
          required
          maxLength={200}
          autoComplete="off"
          value={form.name}
          onChange={(name) => setForm({ ...form, name })}
        />
        <TextField
          label="E-mail"
          type="email"
          autoComplete="off"
          hint="Optional. Stripe sends receipts there."
          value={form.email}
          onChange={(email) => setForm({ ...form, email })}
        />
        <TextField
          label="Your own id"
          autoComplete="off"
          hint="Optional. If a tenant has it already, that tenant is opened instead."
          value={form.externalId}
          onChange={(externalId) => setForm({ ...form, externalId })}
        />
      </FormDialog>
      <Dialog
        open={created !== null}
        onClose={() => setCreated(null)}
        title={`${created?.name ?? ''} was created`}
        actions={
          <>
            <Button onClick={() => setCreated(null)}>Done</Button>
            <RoleGate role="READ">
              <Button
                variant="primary"
                onClick={() => navigate(`/tenants/${encodeURIComponent(created?.id ?? '')}`)}
              >
                Open the tenant
              </Button>
            </RoleGate>
          </>
        }
      >
        <Stack tight>
          <SecretOnce secret={created?.secret ?? ''} what="API key">
            Anyone who has it can act as this tenant.
          </SecretOnce>
          <Callout>
            A lost key cannot be read again, but a new one can be created on the tenant’s page.
          </Callout>
        </Stack>
      </Dialog>
    </RoleGate>
  );
}
