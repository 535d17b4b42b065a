import { Card, Chart, formatCount, formatHour } from '../../design/index.js';
import type { Overview } from './documents.js';

type Hour = Overview['calls']['byHour'][number];

export function CallsByHour({ calls, asOf }: { calls: Overview['calls']; asOf: string }) {
  const day = asOf.slice(0, 10);
  const at = ({ hour }: Hour) => `${day}T${String(hour).padStart(2, '0')}:00:00.000Z`;
  return (
    <Card title="Calls by hour">
      <Chart<Hour>
        label="Calls by hour"
        kind="bar"
        data={calls.byHour}
        caption="Calls an hour of all tenants, UTC"
        x={{
          header: 'Hour (UTC)',
          key: at,
          tick: (hour) => formatHour(at(hour)),
          full: (hour) => `${formatHour(at(hour))} UTC`,
        }}
        series={[
          {
            id: 'yesterday',
            label: 'Yesterday',
            value: ({ yesterday }) => yesterday,
            color: 'var(--chart-2)',
          },
          { id: 'today', label: 'Today', value: ({ today }) => today, color: 'var(--chart-1)' },
        ]}
        format={(value) => formatCount(value, 'call')}
      />
    </Card>
  );
}
