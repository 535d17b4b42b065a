import { useQuery } from '@apollo/client/react';
import { KeyRound, Plus } from 'lucide-react';
import { useState } from 'react';
import {
  Badge,
  Button,
  Callout,
  Card,
  Checkbox,
  type Column,
  ConfirmDialog,
  DataTable,
  Dialog,
  EmptyState,
  FieldGroup,
  FormDialog,
  Id,
  InstantField,
  Menu,
  PageHeader,
  parseInstant,
  Row,
  SecretOnce,
  Select,
  Stack,
  Status,
  TextField,
  Time,
  toast,
  useLast,
  WithNote,
} from '../../design/index.js';
import type { ApiKeyScope, TenantKeysQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { RoleGate, useOperator } from '../session.js';
import { useChange, useTenantPage } from './tenantPage.js';

const KEYS = graphql(`
  query TenantKeys($tenantId: ID!) {
    apiKeys(tenantId: $tenantId) {
      id
      name
      scopes
      createdAt
      lastUsedAt
      expiresAt
      revokedAt
      rotatedTo
    }
  }
`);

const CREATE = graphql(`
  mutation CreateTenantKey($input: CreateApiKeyInput!) {
    createApiKey(input: $input) {
      secret
      apiKey {
        id
        name
      }
    }
  }
`);

const ROTATE = graphql(`
  mutation RotateTenantKey($tenantId: ID!, $id: ID!, $overlapSeconds: Int!) {
    rotateApiKey(tenantId: $tenantId, id: $id, overlapSeconds: $overlapSeconds) {
      secret
      apiKey {
        id
        name
      }
    }
  }
`);

const REVOKE = graphql(`
  mutation RevokeTenantKey($tenantId: ID!, $id: ID!) {
    revokeApiKey(tenantId: $tenantId, id: $id) {
      id
      revokedAt
    }
  }
`);

type Key = TenantKeysQuery['apiKeys'][number];

type KeyState = 'ACTIVE' | 'ROTATED' | 'EXPIRED' | 'REVOKED';

function stateOf({ revokedAt, expiresAt, rotatedTo }: Key): KeyState {
  if (revokedAt) return 'REVOKED';
  if (expiresAt && Date.parse(expiresAt) <= Date.now()) return 'EXPIRED';
  return rotatedTo ? 'ROTATED' : 'ACTIVE';
}

const STATE_LOOK: Readonly<Record<KeyState, { label: string; tone: 'success' | 'warning' | 'neutral' }>> = {
  ACTIVE: { label: 'Active', tone: 'success' },
  ROTATED: { label: 'Rotated, still works', tone: 'warning' },
  EXPIRED: { label: 'Expired', tone: 'neutral' },
  REVOKED: { label: 'Revoked', tone: 'neutral' },
};

interface NewSecret {
  name: string;
  secret: string;
}

/** The tenant's keys, and what can be done with them. */
export function Keys() {
  const { tenantId } = useTenantPage();
  const { can } = useOperator();
  const { data, error, refetch } = useQuery(KEYS, { variables: { tenantId } });
  const [creating, setCreating] = useState(false);
  const [rotating, setRotating] = useState<Key | null>(null);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const [secret, setSecret] = useState<NewSecret | null>(null);
  const columns: Column<Key>[] = [
    {
      id: 'name',
      header: 'Name',
      value: ({ name }) => name,
      cell: ({ id, name }) => <WithNote note={<Id value={id} />}>{name}</WithNote>,
      sortable: true,
      wrap: true,
    },
    { id: 'id', header: 'Id', value: ({ id }) => id, csvOnly: true },
    {
      id: 'state',
      header: 'State',
      value: (key) => stateOf(key),
      cell: (key) => {
        const { label, tone } = STATE_LOOK[stateOf(key)];
        return <Status value={stateOf(key)} label={label} tone={tone} />;
      },
    },
    {
      id: 'scopes',
      header: 'Scopes',
      value: ({ scopes }) => scopes.join(' '),
      cell: ({ scopes }) => (
        <Row>
          {scopes.map((scope) => (
            <Badge key={scope}>{scope}</Badge>
          ))}
        </Row>
      ),
      wrap: true,
    },
    {
      id: 'created',
      header: 'Created',
      value: ({ createdAt }) => createdAt,
      cell: ({ createdAt }) => <Time at={createdAt} />,
      sortable: true,
    },
    {
      id: 'used',
      header: 'Last used',
      value: ({ lastUsedAt }) => lastUsedAt,
      cell: ({ lastUsedAt }) => (lastUsedAt ? <Time at={lastUsedAt} relative /> : 'never'),
      sortable: true,
    },
    {
      id: 'ends',
      header: 'Ends',
      value: ({ revokedAt, expiresAt }) => revokedAt ?? expiresAt,
      cell: ({ revokedAt, expiresAt }) =>
        revokedAt || expiresAt ? <Time at={revokedAt ?? expiresAt} /> : 'never',
    },
  ];
  if (can('PROVISION')) {
    columns.push({
      id: 'actions',
      header: 'Actions',
      hideHeader: true,
      value: () => null,
      cell: (key) =>
        ['ACTIVE', 'ROTATED'].includes(stateOf(key)) && (
          <Menu
            trigger={
              <Button size="small" variant="ghost" aria-label={`Actions for the key ${key.name}`}>
                Actions
              </Button>
            }
            items={[
              key.rotatedTo === null && { label: 'Rotate…', onSelect: () => setRotating(key) },
              { label: 'Revoke…', danger: true, onSelect: () => setRevoking(key) },
            ]}
          />
        ),
    });
  }
  return (
    <Card
      flush
      title="API keys"
      description="Newest first. Secrets are never shown again after a key was made."
      actions={
        <RoleGate role="PROVISION">
          <Button icon={<Plus size={15} aria-hidden="true" />} onClick={() => setCreating(true)}>
            Create key
          </Button>
        </RoleGate>
      }
    >
      <DataTable
        label="API keys"
        columns={columns}
        rows={data?.apiKeys}
        rowKey={({ id }) => id}
        error={error}
        onRetry={refetch}
        empty={
          <EmptyState title="No keys" icon={KeyRound}>
            Without a key the tenant can only be reached by a token or a JWT.
          </EmptyState>
        }
        csv
      />
      <CreateKeyDialog
        tenantId={tenantId}
        open={creating}
        onClose={() => setCreating(false)}
        onCreated={setSecret}
      />
      <RotateDialog
        tenantId={tenantId}
        target={rotating}
        onClose={() => setRotating(null)}
        onRotated={setSecret}
      />
      <RevokeDialog tenantId={tenantId} target={revoking} onClose={() => setRevoking(null)} />
      <SecretDialog secret={secret} onClose={() => setSecret(null)} />
    </Card>
  );
}

/** A key with the role PROVISION reads no tenants, but makes keys for them. */
export function KeysOfProvision({ tenantId }: { tenantId: string }) {
  const [creating, setCreating] = useState(false);
  const [secret, setSecret] = useState<NewSecret | null>(null);
  return (
    <>
      <PageHeader title="Tenant" facts={[['Id', <Id value={tenantId} />]]} />
      <Card title="API keys">
        <Stack tight>
          <Callout title="Your role makes keys, and reads nothing">
            A key with the role PROVISION creates tenants and their keys. Ask an OWNER, SUPPORT or READ what
            this tenant has.
          </Callout>
          <Row>
            <Button variant="primary" onClick={() => setCreating(true)}>
              Create a key for this tenant
            </Button>
          </Row>
        </Stack>
      </Card>
      <CreateKeyDialog
        tenantId={tenantId}
        open={creating}
        onClose={() => setCreating(false)}
        onCreated={setSecret}
      />
      <SecretDialog secret={secret} onClose={() => setSecret(null)} />
    </>
  );
}

const SCOPES: readonly { scope: ApiKeyScope; hint: string }[] = [
  { scope: 'READ', hint: 'Read usage, storage, the subscription and what is stored' },
  { scope: 'WRITE', hint: 'Store, delete and share data' },
  { scope: 'USAGE', hint: 'Record and report usage' },
  { scope: 'BILLING', hint: 'Buy and cancel' },
  { scope: 'KEYS', hint: 'List, create, rotate and revoke keys' },
];
const DEFAULT_SCOPES: readonly ApiKeyScope[] = ['READ', 'WRITE', 'USAGE'];

interface CreateProps {
  tenantId: string;
  onClose(): void;
  onCreated(secret: NewSecret): void;
}

function CreateKeyDialog({ open, ...props }: CreateProps & { open: boolean }) {
  // Mounted with each opening, so that nothing of the last one is left.
  return open ? <CreateKeyForm {...props} /> : null;
}

function CreateKeyForm({ tenantId, onClose, onCreated }: CreateProps) {
  const create = useChange(CREATE, { secret: true });
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<readonly ApiKeyScope[]>(DEFAULT_SCOPES);
  const [expires, setExpires] = useState('');
  const expiresAt = parseInstant(expires);
  const bad = expiresAt === undefined || (expiresAt !== null && Date.parse(expiresAt) <= Date.now());
  async function submit(): Promise<void> {
    const { createApiKey } = await create({
      input: { tenantId, name: name.trim(), scopes: [...scopes], expiresAt },
    });
    if (createApiKey) onCreated({ name: createApiKey.apiKey.name, secret: createApiKey.secret });
  }
  return (
    <FormDialog
      open
      onClose={onClose}
      title="Create a key"
      submit="Create key"
      ready={name.trim() !== '' && scopes.length > 0 && !bad}
      onSubmit={submit}
    >
      <TextField
        label="Name"
        hint="For people: where the key is used"
        value={name}
        onChange={setName}
        required
        maxLength={100}
        autoComplete="off"
      />
      <FieldGroup label="Scopes">
        {SCOPES.map(({ scope, hint }) => (
          <Checkbox
            key={scope}
            label={scope}
            hint={hint}
            checked={scopes.includes(scope)}
            onChange={(checked) =>
              setScopes(checked ? [...scopes, scope] : scopes.filter((other) => other !== scope))
            }
          />
        ))}
      </FieldGroup>
      <InstantField
        label="Expires"
        hint="Empty: it works until it is revoked"
        value={expires}
        onChange={setExpires}
        error={expires !== '' && bad && 'It must be a time in the future'}
      />
    </FormDialog>
  );
}

const OVERLAPS = [
  { value: '0', label: 'Not at all: it stops at once' },
  { value: '3600', label: '1 hour' },
  { value: '86400', label: '1 day' },
  { value: '604800', label: '7 days' },
  { value: '2592000', label: '30 days' },
];

function RotateDialog({
  tenantId,
  target,
  onClose,
  onRotated,
}: {
  tenantId: string;
  target: Key | null;
  onClose(): void;
  onRotated(secret: NewSecret): void;
}) {
  const rotate = useChange(ROTATE, { secret: true });
  const key = useLast(target);
  const [overlap, setOverlap] = useState('86400');
  return (
    <FormDialog
      open={target !== null}
      onClose={onClose}
      title={`Rotate the key ${key?.name ?? ''}`}
      submit="Rotate key"
      onSubmit={async () => {
        if (!target) return;
        const { rotateApiKey } = await rotate({ tenantId, id: target.id, overlapSeconds: Number(overlap) });
        if (rotateApiKey) onRotated({ name: rotateApiKey.apiKey.name, secret: rotateApiKey.secret });
      }}
    >
      <p>
        A new key with the same name and scopes is made and shown once. The old one goes on working for the
        time below, so that the tenant can change over.
      </p>
      <Select
        label="How long the old key still works"
        value={overlap}
        onChange={setOverlap}
        options={OVERLAPS}
      />
    </FormDialog>
  );
}

function RevokeDialog({
  tenantId,
  target,
  onClose,
}: {
  tenantId: string;
  target: Key | null;
  onClose(): void;
}) {
  const revoke = useChange(REVOKE);
  const key = useLast(target);
  return (
    <ConfirmDialog
      open={target !== null}
      onClose={onClose}
      title={`Revoke the key ${key?.name ?? ''}?`}
      confirm="Revoke key"
      danger
      onConfirm={async () => {
        if (!target) return;
        await revoke({ tenantId, id: target.id });
        toast({ title: 'The key is revoked', text: `${target.name} no longer works.` });
      }}
    >
      <p>
        Requests with it are rejected at once, on every instance. It cannot be undone; a new key has another
        secret.
      </p>
      <p>Last used: {key?.lastUsedAt ? <Time at={key.lastUsedAt} relative /> : 'never'}.</p>
    </ConfirmDialog>
  );
}

function SecretDialog({ secret, onClose }: { secret: NewSecret | null; onClose(): void }) {
  return (
    <Dialog
      open={secret !== null}
      onClose={onClose}
      title={`The key ${secret?.name ?? ''}`}
      actions={
        <Button variant="primary" onClick={onClose}>
          I have copied it
        </Button>
      }
    >
      {secret && (
        <SecretOnce secret={secret.secret} what="key">
          Give it to the tenant over a channel that is encrypted.
        </SecretOnce>
      )}
    </Dialog>
  );
}
