import {
  type ColumnDef,
  createSortedRowModel,
  type Row,
  rowSortingFeature,
  type SortingState,
  sortFn_basic,
  tableFeatures,
  useTable,
} from '@tanstack/react-table';
import { ArrowDown, ArrowUp, ChevronsUpDown, Download } from 'lucide-react';
import { type ReactNode, useMemo, useState } from 'react';
import { Link as RouterLink } from 'react-router';
import { Button } from './Button.js';
import { EmptyState, ErrorState } from './Callout.js';
import { toCsv } from './csv.js';
import { cx } from './cx.js';
import styles from './DataTable.module.css';
import { downloadCsv } from './download.js';
import { formatNumber, NONE } from './format.js';
import { Skeleton } from './Skeleton.js';
import { useUrlParams } from './useUrlParams.js';
import { VisuallyHidden } from './VisuallyHidden.js';

export type CellValue = string | number | boolean | null | undefined;

export interface Column<Data extends object> {
  id: string;
  /** With the unit where the cells have none. */
  header: string;
  /** What is sorted by and written to CSV: a raw number, an ISO instant. */
  value(row: Data): CellValue;
  /** What is shown; by default the value. */
  cell?(row: Data): ReactNode;
  /** Right-aligned. Numbers and amounts always are. */
  numeric?: boolean;
  sortable?: boolean;
  /** Long text may break; other cells stay on one line. */
  wrap?: boolean;
  /** The header in CSV files, if its unit differs: "Bytes". */
  csvHeader?: string;
  /** A header only for screen readers, such as that of a column of buttons, which is not in CSV files. */
  hideHeader?: boolean;
  /** Only in CSV files: the page shows it as a part of another cell. */
  csvOnly?: boolean;
}

export interface DataTableProps<Data extends object> {
  /** What the rows are, for screen readers and the file: "Tenants". */
  label: string;
  columns: readonly Column<Data>[];
  /** undefined while the first rows are loading. */
  rows: readonly Data[] | undefined;
  rowKey(row: Data): string;
  /** The page of a row, which its first cell links to. */
  rowLink?(row: Data): string;
  /** A row that stands out, such as one that differs. Its cells must also say so in words. */
  rowTone?(row: Data): 'warning' | 'danger' | 'muted' | undefined;
  /** While rows are shown and others are loading. */
  refreshing?: boolean;
  error?: unknown;
  onRetry?(): unknown;
  /** Shown when there are no rows. */
  empty?: ReactNode;
  /** The URL parameter of the sorting, such as `sort`; without it the sorting is not in the URL. */
  sortParam?: string;
  /** Whether the rows can be downloaded. */
  csv?: boolean;
  /** Below the table: a Pagination. */
  footer?: ReactNode;
}

const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { basic: sortFn_basic },
});
type Features = typeof features;

/** The sorting in the URL: `id` is ascending, `-id` descending. */
function useSorting(param: string | undefined): [SortingState, (sorting: SortingState) => void] {
  const [search, update] = useUrlParams();
  const [local, setLocal] = useState<SortingState>([]);
  const text = param === undefined ? null : search.get(param);
  const fromUrl = useMemo<SortingState>(
    () => (text ? [{ id: text.replace(/^-/, ''), desc: text.startsWith('-') }] : []),
    [text],
  );
  if (param === undefined) return [local, setLocal];
  return [
    fromUrl,
    ([sorting]) =>
      update((params) => {
        if (sorting) params.set(param, `${sorting.desc ? '-' : ''}${sorting.id}`);
        else params.delete(param);
      }),
  ];
}

function shown(value: CellValue): ReactNode {
  if (value === null || value === undefined || value === '') return NONE;
  if (typeof value === 'number') return formatNumber(value);
  return String(value);
}

/** A list of things: aligned, sortable, downloadable, and complete in each of its states. */
export function DataTable<Data extends object>(props: DataTableProps<Data>) {
  const { rows, error, onRetry, empty } = props;
  if (error && !rows?.length) return <ErrorState error={error} onRetry={onRetry} />;
  if (rows === undefined) {
    return (
      <div className={styles.loading}>
        <Skeleton lines={6} />
      </div>
    );
  }
  if (rows.length === 0)
    return (
      <>
        {empty ?? <EmptyState title="Nothing here" />}
        {props.footer && (
          <div className={styles.foot}>
            <div className={styles.footActions}>{props.footer}</div>
          </div>
        )}
      </>
    );
  return <FilledTable {...props} rows={rows} />;
}

function FilledTable<Data extends object>({
  label,
  columns: allColumns,
  rows,
  rowKey,
  rowLink,
  rowTone,
  refreshing,
  sortParam,
  csv,
  footer,
}: DataTableProps<Data> & { rows: readonly Data[] }) {
  const [sorting, setSorting] = useSorting(sortParam);
  const columns = useMemo(() => allColumns.filter(({ csvOnly }) => !csvOnly), [allColumns]);
  const definitions = useMemo<ColumnDef<Features, Data>[]>(
    () =>
      columns.map((column) => ({
        id: column.id,
        accessorFn: (row: Data) => column.value(row) ?? undefined,
        header: column.header,
        enableSorting: column.sortable ?? false,
        sortFn: 'basic' as const,
        sortDescFirst: column.numeric ?? false,
        sortUndefined: 'last' as const,
      })),
    [columns],
  );
  const data = useMemo(() => [...rows], [rows]);
  const table = useTable({
    features,
    columns: definitions,
    data,
    getRowId: rowKey,
    state: { sorting },
    onSortingChange: (update) => setSorting(typeof update === 'function' ? update(sorting) : update),
  });
  const sorted = table.getRowModel().rows;
  const download = () => {
    const written = allColumns.filter(({ hideHeader }) => !hideHeader);
    downloadCsv(
      label,
      toCsv([
        written.map(({ header, csvHeader }) => csvHeader ?? header),
        ...sorted.map(({ original }) => written.map((column) => column.value(original))),
      ]),
    );
  };
  return (
    <div>
      {/* biome-ignore lint/a11y/useSemanticElements: not a landmark, of which there would be too many */}
      <div
        role="group"
        className={cx(styles.scroll, refreshing && styles.refreshing)}
        // The card around it has the name of what it lists.
        aria-label={`${label}, table`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
      >
        <table className={styles.table} aria-busy={refreshing || undefined}>
          <caption className="visuallyHidden">{label}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <HeaderCell
                  key={column.id}
                  column={column}
                  sorting={sorting.find(({ id }) => id === column.id)}
                  onSort={(desc) => setSorting(desc === null ? [] : [{ id: column.id, desc }])}
                />
              ))}
            </tr>
          </thead>
          <tbody>
            {sorted.map((row: Row<Features, Data>) => (
              <tr
                key={row.id}
                className={cx(rowLink && styles.linked, styles[rowTone?.(row.original) ?? ''])}
              >
                {columns.map((column, index) => {
                  const content = column.cell?.(row.original) ?? shown(column.value(row.original));
                  const className = cx(
                    column.numeric && styles.right,
                    column.wrap && styles.wrap,
                    index === 0 && styles.rowHead,
                  );
                  if (index > 0) {
                    return (
                      <td key={column.id} className={className}>
                        {content}
                      </td>
                    );
                  }
                  return (
                    <th key={column.id} scope="row" className={className}>
                      {rowLink ? (
                        <RouterLink to={rowLink(row.original)} className={styles.rowLink}>
                          {content}
                        </RouterLink>
                      ) : (
                        content
                      )}
                    </th>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {(csv || footer) && (
        <div className={cx(styles.foot, footer ? styles.lined : undefined)}>
          <div className={styles.footActions}>
            {footer}
            {csv && (
              <Button
                size="small"
                variant="ghost"
                icon={<Download size={13} aria-hidden="true" />}
                onClick={download}
                aria-label={`Download CSV: ${label}`}
                title="Download the rows that are shown"
              >
                CSV
              </Button>
            )}
          </div>
        </div>
      )}
    </div>
  );
}

function HeaderCell<Data extends object>({
  column,
  sorting,
  onSort,
}: {
  column: Column<Data>;
  sorting: { desc: boolean } | undefined;
  /** null: no longer sorted by it. */
  onSort(desc: boolean | null): void;
}) {
  const className = cx(column.numeric && styles.right);
  if (!column.sortable) {
    return (
      <th scope="col" className={className}>
        {column.hideHeader ? <VisuallyHidden>{column.header}</VisuallyHidden> : column.header}
      </th>
    );
  }
  const first = column.numeric ?? false;
  const next = sorting === undefined ? first : sorting.desc === first ? !first : null;
  const Icon = sorting === undefined ? ChevronsUpDown : sorting.desc ? ArrowDown : ArrowUp;
  return (
    <th
      scope="col"
      className={className}
      aria-sort={sorting === undefined ? 'none' : sorting.desc ? 'descending' : 'ascending'}
    >
      <button type="button" className={styles.sort} onClick={() => onSort(next)}>
        {column.header}
        <Icon size={12} aria-hidden="true" className={cx(sorting === undefined && styles.idle)} />
      </button>
    </th>
  );
}
