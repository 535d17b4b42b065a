import {
  Card,
  type Column,
  DataTable,
  formatDuration,
  formatNumber,
  Grid,
  KeyValue,
  Row,
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
    <Grid>
      <Card title="Health" description="As the instance that answers sees it">
        <KeyValue
          items={[
            [
              'MongoDB',
              <Row key="mongodb">
                <State state={mongodb.state} />
                {mongodb.pingMs !== null &&
                  `${formatNumber(mongodb.pingMs, { maximumFractionDigits: 1 })} ms`}
              </Row>,
            ],
            [
              'Stripe',
              <Row key="stripe">
                <State state={stripe.state} />
                {stripe.mode === 'MOCK' && 'the mock Stripe in this server'}
                {stripe.lastFailureAt && (
                  <span>
                    last failure <Time at={stripe.lastFailureAt} relative />
                  </span>
                )}
                {stripe.waitingRequests > 0 && `${formatNumber(stripe.waitingRequests)} requests wait`}
              </Row>,
            ],
            ['Redis', <State key="redis" state={redis.state} />],
            ['Instances', `${formatNumber(instances.length)} of version ${versions.join(', ')}`],
          ]}
        />
      </Card>
      <Card title="Periodic jobs" description="Each is done by one instance at a time" flush>
        <DataTable label="Periodic jobs" columns={COLUMNS} rows={workers} rowKey={({ name }) => name} csv />
      </Card>
    </Grid>
  );
}
