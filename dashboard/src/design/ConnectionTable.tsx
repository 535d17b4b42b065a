import { DataTable, type DataTableProps } from './DataTable.js';
import { Pagination } from './Pagination.js';

interface Connection<Data extends object> {
  edges: readonly { node: Data }[];
  pageInfo: { hasNextPage: boolean; endCursor?: string | null };
}

/** A list by cursor: a table of the rows that are loaded, and a button that loads more. The cache joins the pages, see api/cache.ts. */
export function ConnectionTable<Data extends object>({
  connection,
  noun,
  plural,
  onMore,
  ...table
}: Omit<DataTableProps<Data>, 'rows' | 'footer'> & {
  /** undefined while the first rows are loading. */
  connection: Connection<Data> | undefined;
  /** What one row is: "tenant". */
  noun: string;
  plural?: string;
  onMore(after: string | null | undefined): Promise<unknown>;
}) {
  const shown = connection?.edges.length ?? 0;
  return (
    <DataTable
      {...table}
      rows={connection?.edges.map(({ node }) => node)}
      footer={
        connection &&
        shown > 0 && (
          <Pagination
            shown={shown}
            noun={noun}
            {...(plural && { plural })}
            more={connection.pageInfo.hasNextPage}
            onMore={() => onMore(connection.pageInfo.endCursor)}
          />
        )
      }
    />
  );
}
