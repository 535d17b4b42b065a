import { UsageMeter, useEntitlements, useUsage } from '@continuum-billing/react';
import { Card, ErrorState, Grid, Stack } from '../../design/index.js';

/** Shown last: it is the sum of all others. */
const BYTES = 'bytes';
/** Of the sample domain: a person does not think in them. */
const HIDDEN = 'embeddings';

/** Calls against their limits, and what is stored against its quotas. */
export function UsageCards() {
  const day = useUsage('DAY');
  const { data: entitlements } = useEntitlements();
  if (!day.data && day.error)
    return (
      <Card title="Usage">
        <ErrorState error={day.error} onRetry={day.refetch} />
      </Card>
    );
  const stored = (entitlements ?? [])
    .filter(({ kind, name }) => kind === 'STORED' && name !== HIDDEN && name !== BYTES)
    .map(({ name }) => name);
  return (
    <Grid>
      <Card title="Calls">
        <Stack tight>
          <UsageMeter period="DAY" />
          <UsageMeter period="MINUTE" />
          <UsageMeter period="MONTH" />
        </Stack>
      </Card>
      <Card title="Storage">
        <Stack tight>
          {[...stored, BYTES].map((name) => (
            <UsageMeter key={name} entitlement={name} />
          ))}
        </Stack>
      </Card>
    </Grid>
  );
}
