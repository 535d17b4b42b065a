import { useState } from 'react';
import {
  Callout,
  ConfirmDialog,
  FormDialog,
  InstantField,
  instantText,
  parseInstant,
  Time,
  toast,
} from '../../../design/index.js';
import { graphql } from '../../../generated/index.js';
import { type ActionDialogProps, useChange, useTenantPage } from '../tenantPage.js';

const PAUSE = graphql(`
  mutation PausePaymentsOfTenant($input: PausePaymentsInput!) {
    pausePayments(input: $input) {
      ...SubscriptionFacts
    }
  }
`);

const RESUME = graphql(`
  mutation ResumePaymentsOfTenant($tenantId: ID!) {
    resumePayments(tenantId: $tenantId) {
      ...SubscriptionFacts
    }
  }
`);

const DAY_MS = 86_400_000;
const PROPOSED_DAYS = 30;
const MAX_DAYS = 730;
const daysFromNow = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString();

export function PausePaymentsDialog({ onClose }: ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const pause = useChange(PAUSE);
  const { tier, currentPeriodEnd } = tenant.subscription;
  const [text, setText] = useState(instantText(daysFromNow(PROPOSED_DAYS)));
  const resumesAt = parseInstant(text);
  const problem = problemOf(resumesAt);
  return (
    <FormDialog
      open
      onClose={onClose}
      title={`Pause the payments of ${tenant.name}`}
      submit="Pause payments"
      ready={problem === null}
      onSubmit={async () => {
        if (resumesAt) await pause({ input: { tenantId, resumesAt } });
        toast({ title: 'Payments are paused', text: tenant.name });
      }}
    >
      <p>
        It keeps {tier.name} and pays nothing: Stripe voids the invoices until then. The next one would be on{' '}
        <Time at={currentPeriodEnd} />.
      </p>
      <InstantField label="Payments resume" value={text} onChange={setText} error={problem ?? false} />
      <Callout title="Meanwhile">
        Calls past the quota up to now are charged at once, and no more are sold. Tier and seats cannot be
        changed. The first invoice after the pause is paid, so a period that begins in it is free to its end.
      </Callout>
    </FormDialog>
  );
}

/** @returns null: it is a date for which payments can be paused */
function problemOf(resumesAt: string | null | undefined): string | null {
  if (typeof resumesAt !== 'string') return 'It is not a date';
  if (Date.parse(resumesAt) <= Date.now()) return 'It must be in the future';
  return resumesAt > daysFromNow(MAX_DAYS) ? `It must be at most ${MAX_DAYS} days from now` : null;
}

export function ResumePaymentsDialog({ onClose }: ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const resume = useChange(RESUME);
  const { currentPeriodEnd } = tenant.subscription;
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title="Resume the payments?"
      confirm="Resume payments"
      onConfirm={async () => {
        await resume({ tenantId });
        toast({ title: 'Payments are collected again', text: tenant.name });
      }}
    >
      <p>
        Nothing is charged now. The next invoice is on <Time at={currentPeriodEnd} />, and is collected.
      </p>
    </ConfirmDialog>
  );
}
