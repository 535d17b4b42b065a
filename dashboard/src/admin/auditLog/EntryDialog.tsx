import {
  Button,
  Callout,
  type Column,
  DataTable,
  Dialog,
  EmptyState,
  Id,
  KeyValue,
  NONE,
  Time,
} from '../../design/index.js';
import type { AuditLogQuery } from '../../generated/graphql.js';
import { Actor } from './Actor.js';
import { changesOf, type FieldChange } from './changes.js';

export type Entry = AuditLogQuery['auditLog']['edges'][number]['node'];

const COLUMNS: readonly Column<FieldChange>[] = [
  { id: 'field', header: 'Field', value: ({ field }) => field },
  {
    id: 'before',
    header: 'Before',
    wrap: true,
    value: ({ before }) => before,
    cell: ({ before, after }) =>
      before === undefined ? NONE : before === after ? before : <del>{before}</del>,
  },
  {
    id: 'after',
    header: 'After',
    wrap: true,
    value: ({ after }) => after,
    cell: ({ before, after }) => (after === undefined ? NONE : before === after ? after : <ins>{after}</ins>),
  },
];

/** One change, field by field. @param entry null although the dialog is open: it is not among the rows */
export function EntryDialog({
  open,
  entry,
  onClose,
}: {
  open: boolean;
  entry: Entry | null;
  onClose(): void;
}) {
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={entry?.action ?? 'Entry'}
      wide
      actions={<Button onClick={onClose}>Close</Button>}
    >
      {!entry && (
        <Callout title="This entry is not among the rows that are loaded">
          Close this, choose the time range or load more rows, and open it again.
        </Callout>
      )}
      {entry && (
        <>
          <KeyValue
            items={[
              ['At', <Time key="at" at={entry.at} />],
              ['By', <Actor key="actor" actor={entry.actor} />],
              entry.requestId !== null && ['Request', <Id key="request" value={entry.requestId} />],
              ['Entry', <Id key="entry" value={entry.id} />],
            ]}
          />
          <DataTable
            label={`Fields of ${entry.action}`}
            columns={COLUMNS}
            rows={changesOf(entry.before, entry.after)}
            rowKey={({ field }) => field}
            empty={<EmptyState title="No field is noted" />}
          />
        </>
      )}
    </Dialog>
  );
}
