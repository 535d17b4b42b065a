import { useState } from 'react';
import { FormDialog, TextField, toast } from '../../../design/index.js';
import type { UpdateTenantInput } from '../../../generated/graphql.js';
import { graphql } from '../../../generated/index.js';
import { type ActionDialogProps, useChange, useTenantPage } from '../tenantPage.js';

const UPDATE = graphql(`
  mutation UpdateTenantDetails($tenantId: ID!, $input: UpdateTenantInput!) {
    updateTenant(tenantId: $tenantId, input: $input) {
      id
      name
      email
      externalId
    }
  }
`);

export function DetailsDialog({ onClose }: ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const update = useChange(UPDATE);
  // What was there when the dialog opened: what another operator changes meanwhile is not changed back.
  const [before] = useState(tenant);
  const [name, setName] = useState(before.name);
  const [email, setEmail] = useState(before.email ?? '');
  const [externalId, setExternalId] = useState(before.externalId ?? '');
  const input: UpdateTenantInput = {};
  if (name.trim() !== before.name) input.name = name.trim();
  if (email.trim() !== (before.email ?? '')) input.email = email.trim() || null;
  if (externalId.trim() !== (before.externalId ?? '')) input.externalId = externalId.trim() || null;
  return (
    <FormDialog
      open
      onClose={onClose}
      title="Edit details"
      submit="Save"
      ready={Object.keys(input).length > 0 && name.trim() !== ''}
      onSubmit={async () => {
        const { updateTenant } = await update({ tenantId, input });
        toast({ title: 'Saved', text: updateTenant?.name ?? name });
      }}
    >
      <TextField label="Name" value={name} onChange={setName} required autoComplete="off" />
      <TextField
        label="E-mail"
        type="email"
        value={email}
        onChange={setEmail}
        autoComplete="off"
        hint="Also becomes the address of the customer at Stripe, if there is one. Empty removes it only here."
      />
      <TextField
        label="External id"
        value={externalId}
        onChange={setExternalId}
        autoComplete="off"
        spellCheck={false}
        hint="Your own id of the tenant: your servers and JWTs name it by this. Empty removes it: requests with the old one then find no tenant."
      />
    </FormDialog>
  );
}
