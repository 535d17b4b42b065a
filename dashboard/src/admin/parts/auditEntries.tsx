import { Changes, type Column, Link, Time, WithNote } from '../../design/index.js';

/** What a list shows of an entry of the audit log. */
interface Entry {
  id: string;
  at: string;
  actor: string;
  action: string;
  before?: Record<string, unknown> | null;
  after?: Record<string, unknown> | null;
  requestId?: string | null;
}

const KINDS: Readonly<Record<string, string>> = {
  operator: 'Operator',
  key: 'The tenant’s key',
  token: 'The tenant’s token',
  jwt: 'The tenant’s JWT',
  session: 'The tenant’s page',
  service: 'Service',
  stripe: 'Stripe',
  system: 'The server',
};

/** Who made a change: `operator:<key id>`, `stripe:<event id>` and the like, for people. */
function Actor({ actor }: { actor: string }) {
  const [kind = '', ...rest] = actor.split(':');
  const id = rest.join(':');
  const words = KINDS[kind];
  if (!words || !id) return <>{actor}</>;
  const shown = <code>{id}</code>;
  return (
    <>
      {words}
      {kind === 'system' ? ': ' : ' '}
      {kind === 'stripe' ? <Link to={`/webhooks?event=${encodeURIComponent(id)}`}>{shown}</Link> : shown}
    </>
  );
}

/** Where there is no room, `billing_page_link.created` is broken before its verb. */
function Action({ action }: { action: string }) {
  const [noun, verb] = action.split(/(?<=\.)/);
  return (
    <code>
      {noun}
      <wbr />
      {verb}
    </code>
  );
}

export const AUDIT_COLUMNS: readonly Column<Entry>[] = [
  {
    id: 'action',
    header: 'Action',
    value: ({ action }) => action,
    cell: ({ action }) => <Action action={action} />,
  },
  { id: 'at', header: 'When', value: ({ at }) => at, cell: ({ at }) => <Time at={at} /> },
  {
    id: 'actor',
    header: 'By',
    value: ({ actor }) => actor,
    cell: ({ actor, requestId }) => (
      <WithNote note={requestId && `Request ${requestId}`}>
        <Actor actor={actor} />
      </WithNote>
    ),
    wrap: true,
  },
  {
    id: 'change',
    header: 'Before and after',
    value: ({ before, after }) => JSON.stringify({ before, after }),
    cell: ({ before, after }) => <Changes before={before ?? null} after={after ?? null} />,
    wrap: true,
  },
  { id: 'request', header: 'Request', value: ({ requestId }) => requestId, csvOnly: true },
];
