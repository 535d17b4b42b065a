import {
  Card,
  type Column,
  DataTable,
  formatCount,
  formatDuration,
  formatNumber,
  Stat,
  Stats,
  Status,
  Time,
} from '../../design/index.js';
import type { Overview } from './documents.js';

type HealthFigures = Overview['health'];
type Worker = HealthFigures['workers'][number];

const WORDS = { OK: 'OK', DEGRADED: 'Degraded', DOWN: 'Down', OFF: 'Not configured' } as const;
const TONES = { OK: 'success', DEGRADED: 'warning', DOWN: 'danger', OFF: 'neutral' } as const;

function State({ state }: { state: keyof typeof WORDS }) {
  return <Status value={state} label={WORDS[state]} tone={TONES[state]} />;
}

const COLUMNS: readonly Column<Worker>[] = [
  { id: 'name', header: 'Job', value: ({ name }) => name },
  {
    id: 'state',
    header: 'State',
    value: ({ isLate }) => (isLate ? 'late' : 'on time'),
    cell: ({ isLate, lastRunAt }) =>
      isLate ? (
        <Status value="LATE" tone="warning" />
      ) : lastRunAt ? (
        <Status value="ON_TIME" tone="success" />
      ) : (
        <Status value="WAITS" label="Not run yet" tone="neutral" />
      ),
  },
  {
    id: 'last',
    header: 'Last run',
    value: ({ lastRunAt }) => lastRunAt,
    cell: ({ lastRunAt }) => <Time at={lastRunAt} relative />,
  },
  {
    id: 'every',
    header: 'Every',
    csvHeader: 'Every (seconds)',
    value: ({ everySeconds }) => everySeconds,
    cell: ({ everySeconds }) => formatDuration(everySeconds * 1_000),
    numeric: true,
  },
];

/** Whether the parts that the server needs answer, and its periodic work is done. */
export function Health({ health }: { health: HealthFigures }) {
  const { mongodb, stripe, redis, workers, instances } = health;
  const versions = [...new Set(instances.map(({ version }) => version))];
  return (
    <>
      <Stats label="Health">
        <Stat
          label="MongoDB"
          value={<State state={mongodb.state} />}
          note={
            mongodb.pingMs !== null &&
            `answered in ${formatNumber(mongodb.pingMs, { maximumFractionDigits: 1 })} ms`
          }
        />
        <Stat label="Stripe" value={<State state={stripe.state} />} note={<StripeNote stripe={stripe} />} />
        <Stat
          label="Redis"
          value={<State state={redis.state} />}
          note={redis.state === 'OFF' && 'REDIS_URL is not set'}
        />
        <Stat
          label="Instances"
          value={formatNumber(instances.length)}
          note={`version ${versions.join(', ')}`}
        />
      </Stats>
      <Card title="Periodic jobs" description="Each is done by one instance at a time" flush>
        <DataTable label="Periodic jobs" columns={COLUMNS} rows={workers} rowKey={({ name }) => name} csv />
      </Card>
    </>
  );
}

function StripeNote({ stripe }: { stripe: HealthFigures['stripe'] }) {
  if (stripe.waitingRequests > 0)
    return formatCount(stripe.waitingRequests, 'request waits', 'requests wait');
  if (stripe.lastFailureAt) {
    return (
      <>
        last failure <Time at={stripe.lastFailureAt} relative />
      </>
    );
  }
  return stripe.mode === 'MOCK' ? 'the mock in this server' : 'no failure since the start';
}
