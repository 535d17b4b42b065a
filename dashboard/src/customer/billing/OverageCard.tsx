import type { Overage } from '@continuum-billing/client';
import { Meter, useBillingQuery } from '@continuum-billing/react';
import { useState } from 'react';
import { Button, Card, formatCount, formatMoney, Row, Stack } from '../../design/index.js';
import { OverageDialog } from './OverageDialog.js';
import { overageText } from './overageText.js';

const calls = (value: number) => formatCount(value, 'call');
/** An invoice rounds fractions of a cent. */
const money = (cents: number, currency: string) => formatMoney(Math.round(cents), currency);

/** Paid calls beyond the daily quota; nothing where none are sold, used or due. */
export function OverageCard() {
  const { data, refetch } = useBillingQuery('overage', (client, tenant) => client.overage(tenant), 'usage');
  const [isOpen, setOpen] = useState(false);
  if (!data) return null;
  const { monthlyCapCents, priceCents, perCalls, currency, unbilledCents } = data;
  const isSold = priceCents !== null && perCalls !== null;
  const isOn = monthlyCapCents !== null;
  if (!isSold && !isOn && unbilledCents === 0) return null;
  return (
    <Card
      title="Calls beyond the daily limit"
      description={isSold && `${overageText({ priceCents, perCalls }, currency)}, on your next invoice.`}
      actions={(isSold || isOn) && <Button onClick={() => setOpen(true)}>{isOn ? 'Change' : 'Allow'}</Button>}
    >
      <Stack tight>
        <Used overage={data} />
        {unbilledCents > 0 && (
          <Row>
            <span>Not invoiced yet: {money(unbilledCents, currency)}</span>
          </Row>
        )}
      </Stack>
      {isOpen && <OverageDialog overage={data} onClose={() => setOpen(false)} onChanged={refetch} />}
    </Card>
  );
}

function Used({ overage }: { overage: Overage }) {
  const { monthlyCapCents, priceCents, currency, usedCalls, allowedCalls, costCents } = overage;
  if (monthlyCapCents === null)
    return (
      <p>Not allowed: when the daily limit is reached, further calls are rejected until the next day.</p>
    );
  if (priceCents === null) return <p>Your plan sells no further calls at the moment.</p>;
  return (
    <div className="cb">
      <Meter
        label="This month"
        used={usedCalls}
        limit={allowedCalls}
        format={calls}
        note={`${money(costCents, currency)} of at most ${formatMoney(monthlyCapCents, currency)}`}
      />
    </div>
  );
}
