import {
  Bar,
  BarChart,
  CartesianGrid,
  Line,
  LineChart,
  ReferenceLine,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from 'recharts';
import styles from './Chart.module.css';
import { formatCompact, formatNumber } from './format.js';
import { type ChartProps, seriesColor } from './series.js';

/** How far above the highest number a line may lie. */
const MOST_HEADROOM = 3;

/** The height of a bar, with what is stacked on it. */
function heightOf<Data extends object>(row: Data, series: ChartProps<Data>['series']): number {
  const stacks = new Map<string, number>();
  for (const { id, stack = `s.${id}`, value } of series)
    stacks.set(stack, (stacks.get(stack) ?? 0) + (value(row) ?? 0));
  return Math.max(0, ...stacks.values());
}

/** recharts sets the colour on the element, where style sheets do not reach. */
const TICK = { fill: 'var(--text-muted)' };

interface Point {
  key: string;
  tick: string;
  full: string;
  [series: string]: string | number | null;
}

/** The picture of a Chart. Only Chart loads it. */
export default function Plot<Data extends object>({
  kind,
  data,
  x,
  series,
  references = [],
  format = formatNumber,
  formatAxis = formatCompact,
}: ChartProps<Data>) {
  const points = data.map((row): Point => {
    const point: Point = { key: x.key(row), tick: x.tick(row), full: x.full(row) };
    for (const { id, value } of series) point[`s.${id}`] = value(row);
    return point;
  });
  // recharts numbers the ticks that it shows, not the points.
  const ticks = new Map(points.map(({ key, tick }) => [key, tick]));
  const highest = Math.max(0, ...data.map((row) => heightOf(row, series)));
  const lines = references.filter(({ value }) => value <= highest * MOST_HEADROOM);
  const axes = (
    <>
      <CartesianGrid vertical={false} stroke="var(--chart-grid)" />
      <XAxis
        tick={TICK}
        dataKey="key"
        tickFormatter={(key: string) => ticks.get(key) ?? ''}
        tickLine={false}
        axisLine={{ stroke: 'var(--border-strong)' }}
        minTickGap={24}
        height={22}
      />
      <YAxis
        tick={TICK}
        tickFormatter={(value: number) => formatAxis(value)}
        tickLine={false}
        axisLine={false}
        width={44}
        allowDecimals={false}
        domain={[0, (most: number) => Math.max(most, ...lines.map(({ value }) => value))]}
      />
      <Tooltip
        cursor={{ fill: 'var(--hover)', stroke: 'var(--border-strong)' }}
        isAnimationActive={false}
        content={({ active, label }) => {
          const point = active ? points.find(({ key }) => key === label) : undefined;
          if (!point) return null;
          return (
            <div className={styles.tooltip}>
              <strong>{point.full}</strong>
              {series.map((item, index) => {
                const value = point[`s.${item.id}`];
                return (
                  <div key={item.id}>
                    <span className={styles.swatch} style={{ background: seriesColor(item, index) }} />
                    <span>{item.label}</span>
                    <span>{typeof value === 'number' ? format(value) : '—'}</span>
                  </div>
                );
              })}
            </div>
          );
        }}
      />
    </>
  );
  const limits = lines.map(({ value, label }) => (
    <ReferenceLine
      key={label}
      y={value}
      stroke="var(--danger-solid)"
      strokeDasharray="4 4"
      label={{ value: label, position: 'insideBottomRight', fill: 'var(--danger)', fontSize: 11 }}
    />
  ));
  const shared = {
    data: points,
    accessibilityLayer: false,
    // The text of a limit stands above its line.
    margin: { top: lines.length > 0 ? 20 : 8, right: 4, bottom: 0, left: 0 },
  };
  return (
    <ResponsiveContainer width="100%" height="100%">
      {kind === 'bar' ? (
        <BarChart {...shared} barCategoryGap="12%" barGap={1}>
          {axes}
          {series.map((item, index) => (
            <Bar
              key={item.id}
              dataKey={(point: Point) => point[`s.${item.id}`]}
              {...(item.stack ? { stackId: item.stack } : {})}
              fill={seriesColor(item, index)}
              maxBarSize={36}
              radius={item.stack ? 0 : [2, 2, 0, 0]}
              isAnimationActive={false}
            />
          ))}
          {limits}
        </BarChart>
      ) : (
        <LineChart {...shared}>
          {axes}
          {series.map((item, index) => (
            <Line
              key={item.id}
              dataKey={(point: Point) => point[`s.${item.id}`]}
              type="monotone"
              stroke={seriesColor(item, index)}
              strokeWidth={2}
              dot={false}
              activeDot={{ r: 3 }}
              isAnimationActive={false}
              connectNulls={false}
            />
          ))}
          {limits}
        </LineChart>
      )}
    </ResponsiveContainer>
  );
}
