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
  TextField,
  toast,
} from '../../../design/index.js';
import type {
  CreateEnterpriseSubscriptionInput,
  PriceInterval,
  TierLimitsInput,
  TiersByContractQuery,
} from '../../../generated/graphql.js';
import { graphql } from '../../../generated/index.js';
import { cycleLabel } from '../../../prices/prices.js';
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
      retired
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
const MAX_SEATS = 100_000;
const MAX_DAYS_UNTIL_DUE = 90;

type Tier = TiersByContractQuery['tiers'][number];

interface Form {
  tier: Tier;
  price: string;
  interval: PriceInterval;
  currency: string;
  /** Empty: the price is for all. */
  seats: string;
  months: string;
  payment: string;
  days: string;
  limits: LimitTexts;
}

/** Asks for the terms, then says what they do before they begin. */
export function ContractDialog({ onClose }: ActionDialogProps) {
  const { tenant } = useTenantPage();
  const { data, error, refetch } = useQuery(TIERS);
  const [form, setForm] = useState<Form | null>(null);
  const [reviewing, setReviewing] = useState(false);
  const tiers = data?.tiers.filter(({ checkout, retired }) => checkout === 'CONTACT_SALES' && !retired);
  const first = tiers?.[0];
  if (first && !form)
    setForm({
      tier: first,
      price: '',
      interval: 'MONTH',
      currency: (tenant.subscription.price?.currency ?? first.currency).toUpperCase(),
      seats: '',
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
  const { price, currency, seats, months, days } = read(form);
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
        <Select
          label="Paid"
          value={form.interval}
          onChange={(interval) => change({ interval: interval as PriceInterval })}
          options={(['MONTH', 'YEAR'] as const).map((interval) => ({
            value: interval,
            label: cycleLabel({ interval, intervalCount: 1 }),
          }))}
        />
        <TextField
          label="Currency"
          value={form.currency}
          onChange={(value) => change({ currency: value })}
          error={!currency && 'A code such as USD'}
          autoComplete="off"
          maxLength={3}
        />
        <NumberField
          label={`Price ${perOf(form)}`}
          unit={currency?.toUpperCase()}
          value={form.price}
          onChange={(value) => change({ price: value })}
          error={price.problem}
        />
        <NumberField
          label="Seats"
          hint="Empty: the price is for all"
          value={form.seats}
          onChange={(value) => change({ seats: value })}
          error={seats === undefined && `A whole number from 1 to ${formatNumber(MAX_SEATS)}`}
        />
        <NumberField
          label="Term"
          unit="months"
          hint="The contract ends by itself afterwards"
          value={form.months}
          onChange={(value) => change({ months: value })}
          error={
            months
              ? form.interval === 'YEAR' && months % 12 !== 0 && 'Whole years: 12, 24, 36'
              : `A whole number from 1 to ${MAX_TERM_MONTHS}`
          }
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
  const { termMonths, daysUntilDue, limits, seats = 1, currency } = terms;
  const amount = terms.monthlyPriceCents ?? terms.unitAmount ?? 0;
  const money = formatMoney(amount * (seats ?? 1), currency);
  const often = perOf({ ...form, seats: '' });
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
          ['Price', `${formatMoney(amount, currency)} ${perOf(form)}`],
          form.seats.trim() !== '' && ['Seats', `${formatNumber(seats)}, together ${money} ${often}`],
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

/** @returns what follows the price: `a month`, or with seats `per seat a year` */
const perOf = ({ interval, seats }: Pick<Form, 'interval' | 'seats'>): string =>
  `${seats.trim() === '' ? '' : 'per seat '}a ${interval.toLowerCase()}`;

function read(form: Form) {
  const currency = /^[a-z]{3}$/i.test(form.currency) ? form.currency.toLowerCase() : null;
  return {
    currency,
    price: parseMoney(form.price, currency ?? form.tier.currency, { max: MAX_PRICE_CENTS }),
    seats: parseWhole(form.seats, { min: 1, max: MAX_SEATS }),
    months: parseWhole(form.months, { min: 1, max: MAX_TERM_MONTHS }),
    days: parseWhole(form.days, { min: 1, max: MAX_DAYS_UNTIL_DUE }),
  };
}

type Terms = Pick<
  CreateEnterpriseSubscriptionInput,
  'monthlyPriceCents' | 'unitAmount' | 'interval' | 'seats' | 'termMonths'
> & {
  currency: string;
  daysUntilDue: number | null;
  limits: TierLimitsInput;
};

/** @returns null if something is missing or wrong */
function termsOf(form: Form): Terms | null {
  const { price, currency, seats, months, days } = read(form);
  const { interval } = form;
  const limits = changedLimits(limitTexts(form.tier.limits, null), form.limits);
  const byInvoice = form.payment === 'invoice';
  if (price.cents === null || !currency || seats === undefined || !months || !limits) return null;
  if ((byInvoice && !days) || (interval === 'YEAR' && months % 12 !== 0)) return null;
  // A month's price for all has a field of its own, by which the same terms are recognized.
  const isPlain = interval === 'MONTH' && seats === null;
  return {
    ...(isPlain ? { monthlyPriceCents: price.cents } : { unitAmount: price.cents, interval, seats }),
    currency,
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
