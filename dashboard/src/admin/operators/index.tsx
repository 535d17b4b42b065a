import { useMutation, useQuery } from '@apollo/client/react';
import { Ellipsis, KeyRound, Plus } from 'lucide-react';
import { useState } from 'react';
import {
  Badge,
  Button,
  Callout,
  Card,
  type Column,
  ConfirmDialog,
  DataTable,
  Dialog,
  EmptyState,
  FormDialog,
  formatEnum,
  IconButton,
  KeyValue,
  Menu,
  NONE,
  PageHeader,
  Row,
  SecretOnce,
  Select,
  Stack,
  Status,
  TextField,
  Time,
  toast,
  useLast,
} from '../../design/index.js';
import type { OperatorKeysQuery, OperatorRole } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { optionsOf } from '../parts/opened.js';
import { useOperator } from '../session.js';

const KEYS = graphql(`
  query OperatorKeys {
    operatorKeys {
      id
      name
      role
      createdAt
      createdBy
      expiresAt
      revokedAt
      lastUsedAt
      rotatedTo
      current
    }
  }
`);

const CREATE = graphql(`
  mutation CreateOperatorKey($input: CreateOperatorKeyInput!) {
    createOperatorKey(input: $input) {
      operatorKey {
        id
        name
      }
      secret
    }
  }
`);

const ROTATE = graphql(`
  mutation RotateOperatorKey($id: ID!, $overlapSeconds: Int!) {
    rotateOperatorKey(id: $id, overlapSeconds: $overlapSeconds) {
      operatorKey {
        id
        name
      }
      secret
    }
  }
`);

const REVOKE = graphql(`
  mutation RevokeOperatorKey($id: ID!) {
    revokeOperatorKey(id: $id) {
      id
      revokedAt
    }
  }
`);

type Key = OperatorKeysQuery['operatorKeys'][number];

const ROLES: Record<OperatorRole, string> = {
  OWNER: 'Everything, these keys included.',
  SUPPORT:
    'Reads everything; replays events, sends deliveries again, compares tenants with Stripe and repairs them, starts a reconcile.',
  PROVISION:
    'Creates tenants, and keys, tokens and billing links of tenants: for the server that signs customers up.',
  READ: 'Reads everything, except these keys.',
};
const ROLE_NAMES = Object.keys(ROLES) as OperatorRole[];

const DAY_MS = 86_400_000;
const LIVES: Record<string, string> = {
  '': 'Never',
  '30': 'In 30 days',
  '90': 'In 90 days',
  '365': 'In a year',
};
const OVERLAPS: Record<string, string> = {
  '0': 'At once',
  '3600': 'In an hour',
  '86400': 'In a day',
  '604800': 'In 7 days',
};

function stateOf({ revokedAt, expiresAt }: Key): string {
  if (revokedAt) return 'REVOKED';
  return expiresAt && Date.parse(expiresAt) <= Date.now() ? 'EXPIRED' : 'ACTIVE';
}

/** `operator:<key id>` as people read it. */
function creatorOf({ createdBy }: Key, keys: readonly Key[]): string {
  if (createdBy === null) return 'First start or earlier version';
  const id = createdBy.replace(/^operator:/, '');
  return keys.find((key) => key.id === id)?.name ?? id;
}

export default function OperatorsPage() {
  const { can, keyId, role } = useOperator();
  return (
    <>
      <PageHeader
        title="Operators"
        description="Keys of your people and programs. Each acts by its own role."
      />
      <Stack>
        {keyId === null && (
          <Callout title="You are signed in with ADMIN_API_KEY">
            It is an OWNER and not in this list: it is set in the server’s environment.
          </Callout>
        )}
        {can('OWNER') ? (
          <Keys />
        ) : (
          <Card>
            <EmptyState title="Only an OWNER sees the keys" icon={KeyRound}>
              Your key has the role {role}. Ask an OWNER to create, rotate or revoke a key.
            </EmptyState>
          </Card>
        )}
        <Card title="Roles">
          <KeyValue items={ROLE_NAMES.map((name) => [name, ROLES[name]])} />
        </Card>
      </Stack>
    </>
  );
}

interface Made {
  name: string;
  secret: string;
}

function Keys() {
  const { data, error, refetch } = useQuery(KEYS);
  const [creating, setCreating] = useState(false);
  const [rotating, setRotating] = useState<Key | null>(null);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const [made, setMade] = useState<Made | null>(null);
  const revoked = useLast(revoking);
  const shown = useLast(made);
  const [revoke] = useMutation(REVOKE);
  const keys = data?.operatorKeys;
  const columns: Column<Key>[] = [
    {
      id: 'name',
      header: 'Name',
      wrap: true,
      value: ({ name }) => name,
      cell: ({ name, current }) => (
        <Row>
          {name} {current && <Badge tone="accent">Yours</Badge>}
        </Row>
      ),
    },
    { id: 'role', header: 'Role', value: ({ role }) => role, cell: ({ role }) => <Badge>{role}</Badge> },
    { id: 'state', header: 'State', value: stateOf, cell: (key) => <Status value={stateOf(key)} /> },
    {
      id: 'used',
      header: 'Last used',
      csvHeader: 'Last used (UTC)',
      value: ({ lastUsedAt }) => lastUsedAt,
      cell: ({ lastUsedAt }) => (lastUsedAt ? <Time at={lastUsedAt} relative /> : 'Never'),
    },
    {
      id: 'expires',
      header: 'Ends',
      csvHeader: 'Ends (UTC)',
      value: ({ revokedAt, expiresAt }) => revokedAt ?? expiresAt,
      cell: ({ revokedAt, expiresAt }) => <Time at={revokedAt ?? expiresAt} />,
    },
    {
      id: 'created',
      header: 'Created',
      csvHeader: 'Created (UTC)',
      value: ({ createdAt }) => createdAt,
      cell: ({ createdAt }) => <Time at={createdAt} />,
    },
    { id: 'creator', header: 'By', value: (key) => creatorOf(key, keys ?? []) },
    { id: 'id', header: 'Id', value: ({ id }) => id, cell: ({ id }) => <code>{id}</code> },
    {
      id: 'actions',
      header: 'Actions',
      hideHeader: true,
      value: () => null,
      cell: (key) =>
        stateOf(key) === 'ACTIVE' ? (
          <Menu
            trigger={
              <IconButton
                size="small"
                label={`Actions for ${key.name}`}
                icon={<Ellipsis size={16} aria-hidden="true" />}
              />
            }
            items={[
              key.rotatedTo === null && { label: 'Rotate', onSelect: () => setRotating(key) },
              { label: 'Revoke', danger: true, onSelect: () => setRevoking(key) },
            ]}
          />
        ) : (
          NONE
        ),
    },
  ];
  return (
    <>
      <Card
        title="Keys"
        actions={
          <Button icon={<Plus size={15} aria-hidden="true" />} onClick={() => setCreating(true)}>
            Create key
          </Button>
        }
        flush
      >
        <DataTable
          label="Operators’ keys"
          columns={columns}
          rows={keys}
          rowKey={({ id }) => id}
          error={error}
          onRetry={refetch}
          empty={
            <EmptyState title="No keys yet">
              Give each of your people and programs a key of its own, with no more than it needs.
            </EmptyState>
          }
          csv
        />
      </Card>
      <CreateKey open={creating} onClose={() => setCreating(false)} onMade={setMade} />
      {rotating && <RotateKey of={rotating} onClose={() => setRotating(null)} onMade={setMade} />}
      <ConfirmDialog
        open={revoking !== null}
        onClose={() => setRevoking(null)}
        title={`Revoke ${revoked?.name ?? 'the key'}?`}
        confirm="Revoke"
        danger
        onConfirm={async () => {
          if (!revoking) return;
          await revoke({ variables: { id: revoking.id } });
          toast({ title: `${revoking.name} is revoked` });
        }}
      >
        <p>
          The key and its sessions stop working at once, on every instance. This cannot be undone: create
          another key instead.
        </p>
        {revoked?.current && <p>You are signed in with it, so you will be signed out.</p>}
      </ConfirmDialog>
      <Dialog
        open={made !== null}
        onClose={() => setMade(null)}
        title={shown?.name ?? ''}
        actions={
          <Button variant="primary" onClick={() => setMade(null)}>
            Done
          </Button>
        }
      >
        {shown && (
          <SecretOnce secret={shown.secret} what="key">
            Give it to the person or program that will use it. Only a digest of it is stored.
          </SecretOnce>
        )}
      </Dialog>
    </>
  );
}

function CreateKey({ open, onClose, onMade }: { open: boolean; onClose(): void; onMade(made: Made): void }) {
  const [create] = useMutation(CREATE, { refetchQueries: [KEYS] });
  const [name, setName] = useState('');
  const [role, setRole] = useState<OperatorRole>('READ');
  const [days, setDays] = useState('');
  return (
    <FormDialog
      open={open}
      onClose={onClose}
      title="Create key"
      submit="Create"
      onSubmit={async () => {
        const expiresAt = days === '' ? null : new Date(Date.now() + Number(days) * DAY_MS).toISOString();
        const { data } = await create({ variables: { input: { name: name.trim(), role, expiresAt } } });
        if (data?.createOperatorKey) onMade({ name: name.trim(), secret: data.createOperatorKey.secret });
        setName('');
        setRole('READ');
        setDays('');
      }}
    >
      <TextField
        label="Name"
        required
        maxLength={100}
        placeholder="Who or what uses it"
        autoComplete="off"
        value={name}
        onChange={setName}
      />
      <Select
        label="Role"
        hint={ROLES[role]}
        value={role}
        onChange={(value) => setRole(value as OperatorRole)}
        options={optionsOf(ROLE_NAMES, formatEnum)}
      />
      <Select
        label="Ends"
        value={days}
        onChange={setDays}
        options={Object.entries(LIVES).map(([value, label]) => ({ value, label }))}
      />
    </FormDialog>
  );
}

function RotateKey({ of, onClose, onMade }: { of: Key; onClose(): void; onMade(made: Made): void }) {
  const [rotate] = useMutation(ROTATE, { refetchQueries: [KEYS] });
  const [overlap, setOverlap] = useState('86400');
  return (
    <FormDialog
      open
      onClose={onClose}
      title={`Rotate ${of.name}?`}
      submit="Rotate"
      onSubmit={async () => {
        const { data } = await rotate({ variables: { id: of.id, overlapSeconds: Number(overlap) } });
        if (data?.rotateOperatorKey) onMade({ name: of.name, secret: data.rotateOperatorKey.secret });
      }}
    >
      <p>
        A new key with the same name and role is created. You choose when the old one ends, so that the people
        and programs that use it have time to switch.
      </p>
      {of.current && (
        <p>You are signed in with it: sign in again with the new key before the old one ends.</p>
      )}
      <Select
        label="The old key ends"
        value={overlap}
        onChange={setOverlap}
        options={Object.entries(OVERLAPS).map(([value, label]) => ({ value, label }))}
      />
    </FormDialog>
  );
}
