import { useQuery } from '@apollo/client/react';
import { useState } from 'react';
import {
  amountText,
  Callout,
  ErrorState,
  FormDialog,
  formatMoney,
  formatNumber,
  NumberField,
  parseMoney,
  Skeleton,
  toast,
} from '../../../design/index.js';
import type { TenantOverageQuery } from '../../../generated/graphql.js';
import { graphql } from '../../../generated/index.js';
import { type ActionDialogProps, useChange, useTenantPage } from '../tenantPage.js';
import { calls } from '../words.js';

const OVERAGE = graphql(`
  query TenantOverage($tenantId: ID!) {
    overage(tenantId: $tenantId) {
      ...OverageNow
    }
  }
`);

const SET_OVERAGE = graphql(`
  mutation SetTenantOverage($tenantId: ID!, $input: SetOverageInput!) {
    setOverage(tenantId: $tenantId, input: $input) {
      ...OverageNow
    }
  }
`);

export function OverageDialog({ onClose }: ActionDialogProps) {
  const { tenantId } = useTenantPage();
  const { data, error, refetch } = useQuery(OVERAGE, { variables: { tenantId } });
  if (data) return <OverageForm overage={data.overage} onClose={onClose} />;
  return (
    <FormDialog
      open
      onClose={onClose}
      title="Set the overage cap"
      submit="Set cap"
      ready={false}
      onSubmit={async () => {}}
    >
      {error ? <ErrorState error={error} onRetry={refetch} /> : <Skeleton lines={3} />}
    </FormDialog>
  );
}

/** The API's. */
const MAX_CAP_CENTS = 100_000_000;

function OverageForm({ overage, onClose }: { overage: TenantOverageQuery['overage'] } & ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const set = useChange(SET_OVERAGE);
  const { monthlyCapCents, currency, priceCents, perCalls, costCents } = overage;
  const [text, setText] = useState(amountText(monthlyCapCents ?? null, currency));
  const { cents: cap, problem } = parseMoney(text, currency, { min: 1, max: MAX_CAP_CENTS });
  const sold = priceCents !== null && priceCents !== undefined;
  return (
    <FormDialog
      open
      onClose={onClose}
      title={`Overage of ${tenant.name}`}
      submit={cap === null && problem === null ? 'Turn overage off' : 'Set cap'}
      ready={problem === null}
      onSubmit={async () => {
        const { setOverage } = await set({ tenantId, input: { monthlyCapCents: cap } });
        const now = setOverage?.monthlyCapCents ?? null;
        toast({
          title: now === null ? 'Overage is off' : 'The cap is set',
          text: now === null ? tenant.name : `At most ${formatMoney(now, currency)} a UTC month.`,
        });
      }}
    >
      <p>
        {sold
          ? `Calls beyond the daily quota cost ${formatMoney(priceCents, currency)} for ${calls(perCalls ?? 1)}. This month they cost ${formatMoney(costCents, currency)} so far.`
          : 'The tier sells no overage, so that a cap is rejected.'}
      </p>
      <NumberField
        label="The most that overage may cost in a UTC month"
        unit={currency.toUpperCase()}
        hint="Empty: overage is off, and calls are rejected once the daily quota is used up"
        value={text}
        onChange={setText}
        error={problem}
      />
      {cap !== null && sold && priceCents > 0 && (
        <Callout>
          {formatMoney(cap, currency)} pays for{' '}
          {formatNumber(Math.floor((cap * (perCalls ?? 1)) / priceCents))} calls a month. They are on the next
          regular invoice; nothing is charged now.
        </Callout>
      )}
    </FormDialog>
  );
}
