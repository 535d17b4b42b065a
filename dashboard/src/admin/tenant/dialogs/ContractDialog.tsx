import { useQuery } from '@apollo/client/react';
import { useRef, useState } from 'react';
import {
  Callout,
  ConfirmDialog,
  ErrorState,
  FieldGroup,
  FormDialog,
  formatCount,
  formatMoney,
  formatNumber,
  KeyValue,
  NumberField,
  parseMoney,
  parseWhole,
  Select,
  Skeleton,
  toast,
} from '../../../design/index.js';
import type {
  CreateEnterpriseSubscriptionInput,
  TierLimitsInput,
  TiersByContractQuery,
} from '../../../generated/graphql.js';
import { graphql } from '../../../generated/index.js';
import { type ActionDialogProps, isSubscribed, useChange, useTenantPage } from '../tenantPage.js';
import { LIMITS } from '../words.js';
import { changedLimits, LimitFields, type LimitTexts, limitTexts } from './LimitFields.js';

const TIERS = graphql(`
  query TiersByContract {
    tiers {
      name
      version
      currency
      checkout
      limits {
        ...AllLimits
      }
    }
  }
`);

const BEGIN = graphql(`
  mutation BeginContract($input: CreateEnterpriseSubscriptionInput!) {
    createEnterpriseSubscription(input: $input) {
      ...SubscriptionFacts
    }
  }
`);

/** The API's. */
const MAX_PRICE_CENTS = 99_999_999;
const MAX_TERM_MONTHS = 120;
const MAX_DAYS_UNTIL_DUE = 90;

type Tier = TiersByContractQuery['tiers'][number];

interface Form {
  tier: Tier;
  price: string;
  months: string;
  payment: string;
  days: string;
  limits: LimitTexts;
}

/** Asks for the terms, then says what they do before they begin. */
export function ContractDialog({ onClose }: ActionDialogProps) {
  const { data, error, refetch } = useQuery(TIERS);
  const [form, setForm] = useState<Form | null>(null);
  const [reviewing, setReviewing] = useState(false);
  const tiers = data?.tiers.filter(({ checkout }) => checkout === 'CONTACT_SALES');
  const first = tiers?.[0];
  if (first && !form)
    setForm({
      tier: first,
      price: '',
      months: '12',
      payment: 'invoice',
      days: '30',
      limits: limitTexts(first.limits, null),
    });
  if (form && tiers) {
    const Step = reviewing ? Review : Terms;
    return <Step tiers={tiers} form={form} onChange={setForm} onClose={onClose} onReview={setReviewing} />;
  }
  return (
    <FormDialog
      open
      onClose={onClose}
      title="Begin a contract"
      submit="Review"
      ready={false}
      onSubmit={async () => {}}
    >
      {error ? (
        <ErrorState error={error} onRetry={refetch} />
      ) : tiers ? (
        <Callout title="No tier of the catalogue is priced by contract">
          Put one into the catalogue with <code>"checkout": "CONTACT_SALES"</code>.
        </Callout>
      ) : (
        <Skeleton lines={6} />
      )}
    </FormDialog>
  );
}

interface StepProps extends ActionDialogProps {
  tiers: readonly Tier[];
  form: Form;
  onChange(form: Form): void;
  onReview(reviewing: boolean): void;
}

function Terms({ tiers, form, onChange, onClose, onReview }: StepProps) {
  const { tenant } = useTenantPage();
  const change = (part: Partial<Form>) => onChange({ ...form, ...part });
  const done = useRef(false);
  const { price, months, days } = read(form);
  return (
    <FormDialog
      open
      wide
      // It closes after it was sent: what the terms do then takes its place.
      onClose={() => (done.current ? onReview(true) : onClose())}
      title={`A contract with ${tenant.name}`}
      submit="Review"
      ready={termsOf(form) !== null}
      onSubmit={async () => {
        done.current = true;
      }}
    >
      {tiers.length > 1 && (
        <Select
          label="Tier"
          value={form.tier.name}
          onChange={(name) => change({ tier: tiers.find((tier) => tier.name === name) ?? form.tier })}
          options={tiers.map(({ name }) => ({ value: name, label: name }))}
        />
      )}
      <FieldGroup label="Terms" columns>
        <NumberField
          label="Price a month"
          unit={form.tier.currency.toUpperCase()}
          value={form.price}
          onChange={(value) => change({ price: value })}
          error={price.problem}
        />
        <NumberField
          label="Term"
          unit="months"
          hint="The contract ends by itself afterwards"
          value={form.months}
          onChange={(value) => change({ months: value })}
          error={!months && `A whole number from 1 to ${MAX_TERM_MONTHS}`}
        />
        <Select
          label="Payment"
          value={form.payment}
          onChange={(payment) => change({ payment })}
          options={[
            { value: 'invoice', label: 'By invoice' },
            { value: 'card', label: 'The card on file is charged' },
          ]}
        />
        {form.payment === 'invoice' && (
          <NumberField
            label="An invoice is due after"
            unit="days"
            value={form.days}
            onChange={(value) => change({ days: value })}
            error={!days && `A whole number from 1 to ${MAX_DAYS_UNTIL_DUE}`}
          />
        )}
      </FieldGroup>
      <LimitFields
        hint={`Empty: the limit of ${form.tier.name} applies, which the field shows`}
        texts={form.limits}
        own={form.tier.limits}
        onChange={(limits) => change({ limits })}
      />
    </FormDialog>
  );
}

function Review({ form, onClose, onReview }: StepProps) {
  const { tenantId, tenant } = useTenantPage();
  const begin = useChange(BEGIN);
  const done = useRef(false);
  const terms = termsOf(form);
  if (!terms) return null;
  const { tier } = form;
  const { monthlyPriceCents, termMonths, daysUntilDue, limits } = terms;
  const money = formatMoney(monthlyPriceCents, tier.currency);
  const converts = isSubscribed(tenant.subscription);
  return (
    <ConfirmDialog
      open
      onClose={() => (done.current ? onClose() : onReview(false))}
      title={`Begin this contract with ${tenant.name}?`}
      confirm="Begin contract"
      dismiss="Back"
      onConfirm={async () => {
        await begin({ input: { tenantId, tier: tier.name, ...terms } });
        done.current = true;
        toast({ title: 'The contract has begun', text: `${tenant.name} has ${tier.name}.` });
      }}
    >
      <KeyValue
        items={[
          ['Tier', `${tier.name}, at once`],
          ['Price', `${money} a month`],
          ['Term', formatCount(termMonths, 'month')],
          [
            'Payment',
            daysUntilDue === null
              ? 'The card on file is charged'
              : `By invoice, due in ${formatCount(daysUntilDue, 'day')}`,
          ],
          ...limitItems(limits),
        ]}
      />
      <p>
        {converts
          ? `The subscription to ${tenant.subscription.tier.name} becomes this contract: a new period begins now, and what is paid of the old one is credited. A scheduled change or cancellation is dropped. `
          : 'A subscription begins at Stripe, and an open checkout link of the tenant is closed. '}
        {daysUntilDue === null
          ? `Stripe charges ${converts ? 'the difference' : money} now; if that fails, nothing begins.`
          : 'Stripe makes the first invoice now.'}
      </p>
      <p>
        The tenant cannot change or cancel a contract. It ends after its term; until then it is changed and
        ended at Stripe.
      </p>
    </ConfirmDialog>
  );
}

function read(form: Form) {
  return {
    price: parseMoney(form.price, form.tier.currency, { max: MAX_PRICE_CENTS }),
    months: parseWhole(form.months, { min: 1, max: MAX_TERM_MONTHS }),
    days: parseWhole(form.days, { min: 1, max: MAX_DAYS_UNTIL_DUE }),
  };
}

type Terms = Pick<CreateEnterpriseSubscriptionInput, 'monthlyPriceCents' | 'termMonths'> & {
  daysUntilDue: number | null;
  limits: TierLimitsInput;
};

/** @returns null if something is missing or wrong */
function termsOf(form: Form): Terms | null {
  const { price, months, days } = read(form);
  const limits = changedLimits(limitTexts(form.tier.limits, null), form.limits);
  const byInvoice = form.payment === 'invoice';
  if (price.cents === null || !months || !limits || (byInvoice && !days)) return null;
  return {
    monthlyPriceCents: price.cents,
    termMonths: months,
    daysUntilDue: byInvoice ? (days ?? null) : null,
    limits,
  };
}

function limitItems(limits: TierLimitsInput): [string, string][] {
  return [
    ...LIMITS.flatMap(({ key, label, format }): [string, string][] => {
      const value = limits[key];
      return typeof value === 'number' ? [[label, format(value)]] : [];
    }),
    ...(limits.stored ?? []).map(({ resource, limit }): [string, string] => [resource, formatNumber(limit)]),
  ];
}
