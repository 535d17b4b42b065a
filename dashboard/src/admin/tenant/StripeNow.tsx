import { useApolloClient } from '@apollo/client/react';
import { Scale } from 'lucide-react';
import { useState } from 'react';
import {
  Badge,
  Button,
  Callout,
  Card,
  type Column,
  ConfirmDialog,
  DataTable,
  EmptyState,
  ErrorState,
  formatInstant,
  Id,
  KeyValue,
  Link,
  LinkOut,
  NONE,
  Row,
  Stack,
  Status,
  TextButton,
  Time,
  toast,
} from '../../design/index.js';
import type {
  ComparedFieldsFragment,
  StripeComparisonFactsFragment,
  StripeComparisonStatus,
  TenantOverviewQuery,
} from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { RoleGate } from '../session.js';
import { useStripeAddress } from './stripe.js';
import { useChange, useTenantPage } from './tenantPage.js';

const COMPARE = graphql(`
  query CompareTenantWithStripe($tenantId: ID!) {
    compareWithStripe(tenantId: $tenantId) {
      ...StripeComparisonFacts
    }
  }
`);

const REPAIR = graphql(`
  mutation RepairTenantFromStripe($tenantId: ID!) {
    repairTenant(tenantId: $tenantId) {
      ...StripeComparisonFacts
    }
  }
`);

export const COMPARISON_FACTS = graphql(`
  fragment StripeComparisonFacts on StripeComparison {
    at
    status
    summary
    differences
    differentFields
    notes
    repaired
    stored {
      ...ComparedFields
    }
    stripe {
      ...ComparedFields
    }
  }
`);

export const COMPARED_FIELDS = graphql(`
  fragment ComparedFields on ComparedSubscription {
    customerId
    email
    subscriptionId
    status
    tier
    tierVersion
    priceId
    quantity
    currentPeriodStart
    currentPeriodEnd
    cancelAtPeriodEnd
    cancelAt
    trialEnd
    paymentPause {
      resumesAt
      invoices
    }
    endedAt
    scheduledTier
    scheduledAt
    contract
    outsideCatalogue
    overagePriceIds
    pastDueSince
  }
`);

type Statement = NonNullable<TenantOverviewQuery['explainTier']['stripe']>;

/** What Stripe said last, and, when asked, what it says now. */
export function StripeNow({ statement }: { statement: Statement | null }) {
  const comparison = useComparison();
  return (
    <Card
      title="At Stripe"
      description={statement ? 'What Stripe said last, as stored here' : undefined}
      actions={
        <Button
          size="small"
          icon={<Scale size={15} aria-hidden="true" />}
          pending={comparison.pending}
          onClick={comparison.compare}
        >
          Compare with Stripe
        </Button>
      }
    >
      <Stack tight>
        {statement ? (
          <StoredStatement statement={statement} />
        ) : (
          <EmptyState title="It has never subscribed">
            Its tier follows from the default, or from an override. A checkout link is how a person buys a
            tier.
          </EmptyState>
        )}
        <div aria-live="polite">
          {comparison.error !== null ? (
            <ErrorState error={comparison.error} onRetry={comparison.compare} />
          ) : (
            comparison.result && <Comparison result={comparison.result} onRepaired={comparison.show} />
          )}
        </div>
      </Stack>
    </Card>
  );
}

function useComparison() {
  const { tenantId } = useTenantPage();
  const client = useApolloClient();
  const [pending, setPending] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [result, setResult] = useState<StripeComparisonFactsFragment | null>(null);
  return {
    pending,
    error,
    result,
    show: setResult,
    async compare() {
      setPending(true);
      try {
        // A comparison is true at its instant only, so that none is kept.
        const { data } = await client.query({
          query: COMPARE,
          variables: { tenantId },
          fetchPolicy: 'no-cache',
        });
        setResult(data?.compareWithStripe ?? null);
        setError(null);
      } catch (cause) {
        setError(cause);
      } finally {
        setPending(false);
      }
    },
  };
}

function StoredStatement({ statement }: { statement: Statement }) {
  const { status, tier, customerId, subscriptionId, changedAt } = statement;
  const { lastEventId, lastEventType, lastEventReceivedAt } = statement;
  return (
    <KeyValue
      items={[
        [
          'Subscription',
          <Row>
            <Status value={status} /> to {tier}
          </Row>,
        ],
        ['Customer', <StripeObject kind="customers" id={customerId} />],
        ['Subscription id', <StripeObject kind="subscriptions" id={subscriptionId} />],
        ['Changed', <Time at={changedAt} />],
        [
          'Last event',
          lastEventId ? (
            <>
              <Link to={`/webhooks?event=${encodeURIComponent(lastEventId)}`}>{lastEventType}</Link>,{' '}
              <Time at={lastEventReceivedAt} relative />
            </>
          ) : (
            'none was kept'
          ),
        ],
      ]}
    />
  );
}

const TONES: Readonly<Record<StripeComparisonStatus, 'success' | 'warning' | 'info'>> = {
  IN_SYNC: 'success',
  OUT_OF_SYNC: 'warning',
  NOT_VISIBLE: 'warning',
  NOT_COMPARABLE: 'warning',
  NO_CUSTOMER: 'info',
};

const TITLES: Readonly<Record<StripeComparisonStatus, string>> = {
  IN_SYNC: 'Here and at Stripe are the same',
  OUT_OF_SYNC: 'Stripe says something else',
  NOT_VISIBLE: 'Stripe does not show it',
  NOT_COMPARABLE: 'Stripe has what this version cannot read',
  NO_CUSTOMER: 'It has no customer at Stripe',
};

function Comparison({
  result,
  onRepaired,
}: {
  result: StripeComparisonFactsFragment;
  onRepaired(result: StripeComparisonFactsFragment): void;
}) {
  const { status, summary, differences, differentFields, notes, repaired, stored, stripe, at } = result;
  const [all, setAll] = useState(false);
  const rows = rowsOf(stored ?? null, stripe ?? null, differentFields);
  const shown = all ? rows : rows.filter(({ differs }) => differs);
  return (
    <Stack tight>
      <Callout
        tone={TONES[status]}
        title={repaired.length > 0 ? 'Repaired: it is as Stripe has it now' : TITLES[status]}
        actions={
          status === 'OUT_OF_SYNC' && (
            <RoleGate role="SUPPORT">
              <RepairButton differences={differences} onRepaired={onRepaired} />
            </RoleGate>
          )
        }
      >
        <p>{summary}</p>
        <Sentences texts={repaired.length > 0 ? repaired : differences} />
        <Sentences texts={notes} />
        <p>
          Asked at <Time at={at} />.
        </p>
      </Callout>
      {shown.length > 0 && (
        <DataTable
          label="Here and at Stripe"
          columns={COMPARED_COLUMNS}
          rows={shown}
          rowKey={({ field }) => field}
          rowTone={({ differs }) => (differs ? 'warning' : undefined)}
          csv
        />
      )}
      {rows.length > 0 && (
        <Row>
          <TextButton onClick={() => setAll(!all)}>
            {all ? 'Show only what differs' : 'Show everything that was compared'}
          </TextButton>
        </Row>
      )}
    </Stack>
  );
}

function Sentences({ texts }: { texts: readonly string[] }) {
  return texts.map((text) => <p key={text}>{text}</p>);
}

interface ComparedRow {
  field: string;
  label: string;
  here: string;
  atStripe: string;
  differs: boolean;
}

const COMPARED_COLUMNS: readonly Column<ComparedRow>[] = [
  { id: 'field', header: 'Field', value: ({ label }) => label },
  { id: 'here', header: 'Here', value: ({ here }) => here, wrap: true },
  { id: 'stripe', header: 'At Stripe', value: ({ atStripe }) => atStripe, wrap: true },
  {
    id: 'differs',
    header: 'Same',
    value: ({ differs }) => !differs,
    cell: ({ differs }) => (differs ? <Badge tone="warning">differs</Badge> : 'same'),
  },
];

const FIELDS: readonly [Exclude<keyof ComparedFieldsFragment, '__typename'>, string][] = [
  ['status', 'Status'],
  ['tier', 'Tier'],
  ['tierVersion', 'Tier version'],
  ['priceId', 'Price'],
  ['quantity', 'Quantity'],
  ['customerId', 'Customer'],
  ['email', 'E-mail'],
  ['subscriptionId', 'Subscription'],
  ['currentPeriodStart', 'Period start'],
  ['currentPeriodEnd', 'Period end'],
  ['cancelAtPeriodEnd', 'Cancels at period end'],
  ['cancelAt', 'Cancels at'],
  ['trialEnd', 'Trial end'],
  ['paymentPause', 'Pause of payments'],
  ['endedAt', 'Ended'],
  ['pastDueSince', 'Past due since'],
  ['scheduledTier', 'Scheduled tier'],
  ['scheduledAt', 'Scheduled for'],
  ['contract', 'Contract'],
  ['overagePriceIds', 'Overage prices'],
  ['outsideCatalogue', 'Outside the catalogue'],
];

const INSTANT = /^\d{4}-\d{2}-\d{2}T/;

type Pause = NonNullable<ComparedFieldsFragment['paymentPause']>;
const isPause = (value: unknown): value is Pause =>
  typeof value === 'object' && value !== null && 'resumesAt' in value;

function textOf(value: unknown): string {
  if (value === null || value === undefined) return NONE;
  if (Array.isArray(value)) return value.length === 0 ? NONE : value.join(', ');
  if (isPause(value)) {
    const until = value.resumesAt
      ? `until ${formatInstant(value.resumesAt, { seconds: true })}`
      : 'until resumed';
    return `${until}, invoices ${value.invoices ?? 'unknown'}`;
  }
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  const text = String(value);
  return INSTANT.test(text) ? formatInstant(text, { seconds: true }) : text;
}

/** What neither side has is left out. */
function rowsOf(
  stored: ComparedFieldsFragment | null,
  stripe: ComparedFieldsFragment | null,
  differentFields: readonly string[],
): ComparedRow[] {
  return FIELDS.map(([field, label]) => ({
    field,
    label,
    here: textOf(stored?.[field]),
    atStripe: textOf(stripe?.[field]),
    differs: differentFields.includes(field),
  })).filter(({ here, atStripe, differs }) => differs || here !== NONE || atStripe !== NONE);
}

function RepairButton({
  differences,
  onRepaired,
}: {
  differences: readonly string[];
  onRepaired(result: StripeComparisonFactsFragment): void;
}) {
  const { tenantId, tenant } = useTenantPage();
  const repair = useChange(REPAIR);
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Button size="small" variant="primary" onClick={() => setAsking(true)}>
        Repair…
      </Button>
      <ConfirmDialog
        open={asking}
        onClose={() => setAsking(false)}
        title={`Repair ${tenant.name}?`}
        confirm="Repair"
        onConfirm={async () => {
          const { repairTenant } = await repair({ tenantId });
          if (!repairTenant) return;
          onRepaired(repairTenant);
          toast({ title: 'The tenant is as Stripe has it now', text: repairTenant.summary });
        }}
      >
        <p>
          What is stored here is written as Stripe has it now. Nothing changes at Stripe, and no money moves.
          The tier of the tenant may change with it, at once.
        </p>
        <Sentences texts={differences} />
      </ConfirmDialog>
    </>
  );
}

/** An id at Stripe, with the way to it where Stripe knows it. */
export function StripeObject({ kind, id }: { kind: 'customers' | 'subscriptions'; id: string }) {
  const href = useStripeAddress()(kind, id);
  return (
    <Row>
      <Id value={id} />
      {href && <LinkOut href={href}>Open at Stripe</LinkOut>}
    </Row>
  );
}
