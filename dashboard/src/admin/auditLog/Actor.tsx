import { Link } from '../../design/index.js';

const KINDS: Readonly<Record<string, string>> = {
  operator: 'Operator',
  key: 'Key',
  token: 'Token',
  jwt: 'JWT',
  service: 'Service',
  system: 'System:',
};

/** Who made a change: `operator:<key id>`, `stripe:<event id>` and the like, for people. */
export function Actor({ actor }: { actor: string }) {
  const colon = actor.indexOf(':');
  const [kind, id] = colon < 0 ? [actor, ''] : [actor.slice(0, colon), actor.slice(colon + 1)];
  if (kind === 'stripe')
    return (
      <>
        Stripe <Link to={`/webhooks?event=${encodeURIComponent(id)}`}>{id}</Link>
      </>
    );
  return <>{KINDS[kind] ? `${KINDS[kind]} ${id}` : actor}</>;
}
