import {
  Button,
  Card,
  ErrorState,
  formatBytes,
  formatCount,
  formatMoney,
  formatNumber,
  Grid,
  Row,
  Skeleton,
  Stack,
  UNLIMITED,
  UsageBar,
} from '../../design/index.js';
import { overageText } from '../plans/tierTerms.js';
import type { Usage } from './documents.js';

const calls = (value: number) => formatCount(value, 'call');

/** Calls against their limits, and what is stored against its quotas. */
export function UsageCards({
  usage,
  error,
  onRetry,
}: {
  usage: Usage | undefined;
  error: unknown;
  onRetry(): unknown;
}) {
  if (!usage) {
    const content = error ? <ErrorState error={error} onRetry={onRetry} /> : <Skeleton lines={6} />;
    return <Card title="Usage">{content}</Card>;
  }
  const { minute, day, month, storage } = usage;
  // Paid calls past the quota are in the bar of the overage.
  const within = Math.min(day.apiCalls, day.limit ?? day.apiCalls);
  return (
    <Grid>
      <Card title="Calls">
        <Stack tight>
          <UsageBar
            label="Today"
            used={within}
            limit={day.limit ?? UNLIMITED}
            format={calls}
            resetsAt={day.resetsAt}
            note={day.overageCalls > 0 && `${calls(day.overageCalls)} beyond, paid`}
          />
          <UsageBar
            label="This minute"
            used={minute.apiCalls}
            limit={minute.limit ?? UNLIMITED}
            format={calls}
          />
          <UsageBar
            label="This month"
            used={month.apiCalls}
            limit={null}
            format={calls}
            resetsAt={month.resetsAt}
          />
        </Stack>
      </Card>
      <Card title="Storage">
        <Stack tight>
          {storage.limits.maxMemories > 0 && (
            <UsageBar
              label="Memories"
              used={storage.memories}
              limit={storage.limits.maxMemories}
              format={formatNumber}
            />
          )}
          {storage.resources
            .filter(({ limit, stored }) => limit > 0 || stored > 0)
            .map(({ resource, displayName, stored, limit }) => (
              <UsageBar
                key={resource}
                label={displayName}
                used={stored}
                limit={limit}
                format={formatNumber}
              />
            ))}
          <UsageBar
            label="Space"
            used={storage.bytes}
            limit={storage.limits.maxStorageBytes}
            format={formatBytes}
          />
        </Stack>
      </Card>
    </Grid>
  );
}

/** Paid calls beyond the daily quota; nothing where none are sold, used or due. */
export function OverageCard({ overage, onChange }: { overage: Usage['overage']; onChange(): void }) {
  const {
    monthlyCapCents,
    priceCents,
    perCalls,
    currency,
    usedCalls,
    allowedCalls,
    costCents,
    unbilledCents,
  } = overage;
  const isSold = priceCents !== null && perCalls !== null;
  const isOn = monthlyCapCents !== null;
  if (!isSold && !isOn && unbilledCents === 0) return null;
  return (
    <Card
      title="Calls beyond the daily limit"
      description={isSold && `${overageText({ priceCents, perCalls }, currency)}, on your next invoice.`}
      actions={(isSold || isOn) && <Button onClick={onChange}>{isOn ? 'Change' : 'Allow'}</Button>}
    >
      <Stack tight>
        {isOn && isSold ? (
          <UsageBar
            label="This month"
            used={usedCalls}
            limit={allowedCalls}
            format={calls}
            note={`${money(costCents, currency)} of at most ${formatMoney(monthlyCapCents, currency)}`}
          />
        ) : (
          <p>
            {isOn
              ? 'Your plan sells no further calls at the moment.'
              : 'Not allowed: when the daily limit is reached, further calls are rejected until the next day.'}
          </p>
        )}
        {unbilledCents > 0 && (
          <Row>
            <span>Not invoiced yet: {money(unbilledCents, currency)}</span>
          </Row>
        )}
      </Stack>
    </Card>
  );
}

/** An invoice rounds fractions of a cent. */
const money = (cents: number, currency: string) => formatMoney(Math.round(cents), currency);
