export interface Series<Data extends object> {
  id: string;
  label: string;
  value(row: Data): number | null;
  /** A token of tokens.css; by default --chart-1, --chart-2, … */
  color?: string;
  /** Series with the same stack lie on each other. */
  stack?: string;
}

export interface ChartProps<Data extends object> {
  /** What is shown, for screen readers and the file: "Calls by hour". */
  label: string;
  kind: 'bar' | 'line';
  data: readonly Data[];
  /** The horizontal axis. */
  x: {
    /** The header in the table: "Hour (UTC)". */
    header: string;
    /** Unique: an instant. */
    key(row: Data): string;
    /** Short, below the axis. */
    tick(row: Data): string;
    /** Whole, in the tooltip and the table. */
    full(row: Data): string;
  };
  series: readonly Series<Data>[];
  /** Limits, as dashed lines. One that is far above all numbers is left out, so that it does not flatten them. */
  references?: readonly { value: number; label: string }[];
  /** The unit of the numbers and the time zone: "Calls an hour, UTC". */
  caption: string;
  /** With the unit, in tooltip and table. */
  format?: (value: number) => string;
  /** Short, beside the axis. */
  formatAxis?: (value: number) => string;
}

export function seriesColor(series: { color?: string }, index: number): string {
  return series.color ?? `var(--chart-${(index % 6) + 1})`;
}
