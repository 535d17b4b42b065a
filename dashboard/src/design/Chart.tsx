import { ChartColumn, Table2 } from 'lucide-react';
import { lazy, Suspense, useId, useState } from 'react';
import { Button } from './Button.js';
import styles from './Chart.module.css';
import { type Column, DataTable } from './DataTable.js';
import { formatNumber } from './format.js';
import { Skeleton } from './Skeleton.js';
import { type ChartProps, seriesColor } from './series.js';

/** recharts is large, so it is loaded when the first chart is shown. */
const Plot = lazy(() => import('./Plot.js')) as unknown as typeof import('./Plot.js').default;

/** Numbers over time. "Table" shows the same numbers to read, to sort and to download. */
export function Chart<Data extends object>(props: ChartProps<Data>) {
  const { label, data, x, series, caption, format = formatNumber } = props;
  const [table, setTable] = useState(false);
  const id = useId();
  const columns: Column<Data>[] = [
    { id: 'x', header: x.header, value: x.key, cell: x.full, sortable: true },
    ...series.map(
      ({ id, label, value }): Column<Data> => ({
        id,
        header: label,
        value,
        cell: (row) => {
          const number = value(row);
          return number === null ? '—' : format(number);
        },
        numeric: true,
        sortable: true,
      }),
    ),
  ];
  return (
    <figure className={styles.figure} aria-labelledby={id}>
      <div className={styles.head}>
        <div>
          {series.length > 1 && !table && (
            <ul className={styles.legend}>
              {series.map((item, index) => (
                <li key={item.id}>
                  <span className={styles.swatch} style={{ background: seriesColor(item, index) }} />
                  {item.label}
                </li>
              ))}
            </ul>
          )}
          <figcaption id={id} className={styles.caption}>
            <span className="visuallyHidden">{label}. </span>
            {caption}
          </figcaption>
        </div>
        <Button
          size="small"
          variant="ghost"
          aria-pressed={table}
          icon={
            table ? <ChartColumn size={14} aria-hidden="true" /> : <Table2 size={14} aria-hidden="true" />
          }
          onClick={() => setTable(!table)}
        >
          {table ? 'Chart' : 'Table'}
        </Button>
      </div>
      {table ? (
        <div className={styles.table}>
          <DataTable label={label} columns={columns} rows={data} rowKey={x.key} csv />
        </div>
      ) : (
        // The picture says nothing that the table does not.
        <div className={styles.plot} aria-hidden="true">
          <Suspense fallback={<Skeleton block />}>
            <Plot {...props} />
          </Suspense>
        </div>
      )}
    </figure>
  );
}
