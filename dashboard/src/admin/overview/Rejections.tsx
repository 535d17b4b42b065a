import { Card, type Column, DataTable, EmptyState } from '../../design/index.js';
import type { RejectionKind } from '../../generated/graphql.js';
import type { Overview } from './documents.js';

type Kind = Overview['rejections']['byKind'][number];

const REJECTION_NAMES: Readonly<Record<RejectionKind, string>> = {
  MINUTE: 'Calls in a minute',
  DAY: 'Calls on a day',
  CONCURRENT: 'Concurrent requests',
  FIELD: 'A limit of one field',
  FEATURE: 'Feature not in the tier',
  STORAGE: 'Storage quota',
  EXTRACTION: 'Size of an extraction',
  SUSPENDED: 'Suspended tenant',
  OTHER: 'Other',
};

const COLUMNS: readonly Column<Kind>[] = [
  { id: 'kind', header: 'Limit', value: ({ kind }) => REJECTION_NAMES[kind] ?? kind },
  { id: 'today', header: 'Today', value: ({ today }) => today, numeric: true, sortable: true },
  {
    id: 'yesterday',
    header: 'Yesterday',
    value: ({ yesterday }) => yesterday,
    numeric: true,
    sortable: true,
  },
];

/** Why operations were rejected. Limits that rejected nothing are left out. */
export function Rejections({ rejections }: { rejections: Overview['rejections'] }) {
  return (
    <Card
      title="Rejections by limit"
      description="Operations of all tenants that a limit rejected, UTC days"
      flush
    >
      <DataTable
        label="Rejections by limit"
        columns={COLUMNS}
        rows={rejections.byKind.filter(({ today, yesterday }) => today + yesterday > 0)}
        rowKey={({ kind }) => kind}
        empty={<EmptyState title="Nothing was rejected today or yesterday" />}
        csv
      />
    </Card>
  );
}
