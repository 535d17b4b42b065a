import { Link, NONE } from '../../design/index.js';

/** The page of a tenant that is known by its id alone. */
export function TenantLink({ id }: { id: string | null | undefined }) {
  if (!id) return <>{NONE}</>;
  return (
    <Link to={`/tenants/${encodeURIComponent(id)}`}>
      <code>{id}</code>
    </Link>
  );
}
