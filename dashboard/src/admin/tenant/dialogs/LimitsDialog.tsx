import { useQuery } from '@apollo/client/react';
import { useState } from 'react';
import {
  Callout,
  ErrorState,
  FormDialog,
  InstantField,
  instantText,
  parseInstant,
  Select,
  Skeleton,
  Textarea,
  toast,
} from '../../../design/index.js';
import type { SetTenantLimitsInput, TenantLimitsQuery, TierName } from '../../../generated/graphql.js';
import { graphql } from '../../../generated/index.js';
import { TENANT_LIMITS } from '../Limits.js';
import { type ActionDialogProps, useChange, useTenantPage } from '../tenantPage.js';
import { changedLimits, LimitFields, type LimitTexts, limitTexts } from './LimitFields.js';

const SET_LIMITS = graphql(`
  mutation SetLimitsOfTenant($input: SetTenantLimitsInput!) {
    setTenantLimits(input: $input) {
      id
    }
  }
`);

export function LimitsDialog({ onClose }: ActionDialogProps) {
  const { tenantId } = useTenantPage();
  const { data, error, refetch } = useQuery(TENANT_LIMITS, {
    variables: { tenantId },
    fetchPolicy: 'network-only',
    nextFetchPolicy: 'cache-first',
  });
  const [before, setBefore] = useState<TenantLimitsQuery | null>(null);
  // What was there when the dialog opened: only what this operator changes is sent.
  if (data && !before) setBefore(data);
  if (before) return <LimitsForm before={before} onClose={onClose} />;
  return (
    <FormDialog
      open
      onClose={onClose}
      title="Override limits"
      submit="Save override"
      ready={false}
      onSubmit={async () => {}}
    >
      {error ? <ErrorState error={error} onRetry={refetch} /> : <Skeleton lines={8} />}
    </FormDialog>
  );
}

/** A tier that the subscription gives. */
const BY_SUBSCRIPTION = 'subscription';

interface Form {
  tier: string;
  limits: LimitTexts;
  reason: string;
  until: string;
}

type Before = TenantLimitsQuery['tenant'];

function formOf({ tier, limitOverrides }: Before): Form {
  const overrides = limitOverrides?.inForce ? limitOverrides : null;
  return {
    tier: overrides?.tier ?? BY_SUBSCRIPTION,
    limits: limitTexts(tier.limits, overrides?.limits ?? null),
    reason: overrides?.reason ?? '',
    until: instantText(overrides?.until ?? null),
  };
}

/** @returns what was changed; null if something is not right */
function changesOf(tenantId: string, before: Form, after: Form): SetTenantLimitsInput | null {
  const input: SetTenantLimitsInput = { tenantId };
  if (after.tier !== before.tier)
    input.tier = after.tier === BY_SUBSCRIPTION ? null : (after.tier as TierName);
  const limits = changedLimits(before.limits, after.limits);
  if (!limits) return null;
  if (Object.keys(limits).length > 0) input.limits = limits;
  if (after.reason.trim() !== before.reason.trim()) input.reason = after.reason.trim() || null;
  if (after.until !== before.until) {
    const until = parseInstant(after.until);
    if (until === undefined || (until !== null && Date.parse(until) <= Date.now())) return null;
    input.until = until;
  }
  return input;
}

function LimitsForm({ before, onClose }: { before: TenantLimitsQuery } & ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const set = useChange(SET_LIMITS);
  const [start] = useState(() => formOf(before.tenant));
  const [form, setForm] = useState(start);
  const change = (part: Partial<Form>) => setForm({ ...form, ...part });
  const input = changesOf(tenantId, start, form);
  const changed = input !== null && Object.keys(input).length > 1;
  const ended = before.tenant.limitOverrides?.inForce === false;
  const chosen = before.tiers.find(({ name }) => name === form.tier);
  const own = (chosen ?? before.tiers.find(({ name }) => name === before.tenant.tier.name))?.limits;
  const until = parseInstant(form.until);
  const badUntil =
    form.until !== start.until &&
    (until === undefined || (until !== null && Date.parse(until) <= Date.now()));
  return (
    <FormDialog
      open
      wide
      onClose={onClose}
      title={`Override limits of ${tenant.name}`}
      submit="Save override"
      ready={changed}
      onSubmit={async () => {
        if (!input) return;
        await set({ input });
        toast({ title: 'The override is saved', text: 'It applies on every instance within a second.' });
      }}
    >
      {ended && (
        <Callout title="The last override has ended">
          It is replaced as a whole by what you fill in here.
        </Callout>
      )}
      <Select
        label="Tier"
        value={form.tier}
        onChange={(tier) => change({ tier })}
        options={[
          { value: BY_SUBSCRIPTION, label: 'Follows from the subscription' },
          ...before.tiers
            .filter(({ name, retired }) => !retired || name === form.tier)
            .map(({ name }) => ({ value: name, label: `${name}, whatever it pays for` })),
        ]}
        hint="An override changes nothing at Stripe: what the tenant pays stays as it is."
      />
      <LimitFields
        hint="Empty: the tier’s limit applies, which the field shows"
        texts={form.limits}
        onChange={(limits) => change({ limits })}
        own={own}
      />
      <InstantField
        label="Until"
        hint="When the whole override ends. Empty: it does not end by itself"
        value={form.until}
        onChange={(value) => change({ until: value })}
        error={badUntil && 'It must be a time in the future'}
      />
      <Textarea
        label="Reason"
        hint="For operators: the tenant does not see it"
        value={form.reason}
        onChange={(reason) => change({ reason })}
        maxLength={500}
      />
    </FormDialog>
  );
}
