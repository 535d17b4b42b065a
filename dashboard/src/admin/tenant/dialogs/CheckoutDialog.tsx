import { termsOf } from '@continuum-billing/react/core';
import { useRef, useState } from 'react';
import {
  Button,
  CodeBlock,
  Dialog,
  FormDialog,
  isWebAddress,
  LinkOut,
  Stack,
  TextField,
} from '../../../design/index.js';
import type { CreateTenantCheckoutMutation } from '../../../generated/graphql.js';
import { graphql } from '../../../generated/index.js';
import { type ActionDialogProps, useChange, useTenantPage } from '../tenantPage.js';
import { PriceFields, usePriceChoice, useTiers } from './PriceFields.js';

const CREATE = graphql(`
  mutation CreateTenantCheckout($tenantId: ID!, $input: CreateCheckoutSessionInput!) {
    createCheckoutSession(tenantId: $tenantId, input: $input) {
      id
      url
      localUrl
    }
  }
`);

type Checkout = NonNullable<CreateTenantCheckoutMutation['createCheckoutSession']>;

export function CheckoutDialog({ onClose }: ActionDialogProps) {
  const [checkout, setCheckout] = useState<Checkout | null>(null);
  if (checkout) return <CheckoutLink checkout={checkout} onClose={onClose} />;
  return <CheckoutForm onClose={onClose} onCreated={setCheckout} />;
}

function CheckoutForm({ onClose, onCreated }: ActionDialogProps & { onCreated(checkout: Checkout): void }) {
  const { tenantId, tenant } = useTenantPage();
  const tiers = (useTiers() ?? []).filter(({ checkout }) => checkout === 'SELF_SERVICE');
  // What a tenant pays in is fixed by what it has.
  const currency = tenant.subscription.price?.currency ?? null;
  const choice = usePriceChoice(tiers, currency, { preselect: true });
  const create = useChange(CREATE, { secret: true });
  const [email, setEmail] = useState(tenant.email ?? '');
  const [back, setBack] = useState(`${location.origin}/upgrade`);
  const { tier, price, seats } = choice;
  const trial = tier?.trialDays ?? 0;
  const created = useRef<Checkout | null>(null);
  return (
    <FormDialog
      open
      // It closes after it was sent: the link then takes its place.
      onClose={() => (created.current ? onCreated(created.current) : onClose())}
      title={`A checkout link for ${tenant.name}`}
      submit="Create link"
      ready={choice.ready && isWebAddress(back)}
      onSubmit={async () => {
        if (!tier) return;
        const { createCheckoutSession } = await create({
          tenantId,
          input: {
            tier: tier.name,
            ...termsOf(price, seats.settled),
            currency: price?.currency ?? null,
            successUrl: back,
            cancelUrl: back,
            ...(email.trim() === '' ? {} : { customerEmail: email.trim() }),
          },
        });
        created.current = createCheckoutSession;
      }}
    >
      <p>
        A person who opens the link pays at Stripe, and the tenant then has the tier. Nothing is charged
        before, and the link ends by itself after a day.
      </p>
      <PriceFields
        label="Tier"
        tiers={tiers}
        choice={choice}
        currency={currency}
        hint={trial > 0 ? `The first subscription begins with a trial of ${trial} days` : undefined}
      />
      <TextField
        label="E-mail for Stripe’s receipt"
        type="email"
        value={email}
        onChange={setEmail}
        autoComplete="off"
      />
      <TextField
        label="Where the person goes afterwards"
        type="url"
        value={back}
        onChange={setBack}
        error={!isWebAddress(back) && 'An address that begins with https:// or http://'}
        autoComplete="off"
      />
    </FormDialog>
  );
}

function CheckoutLink({ checkout, onClose }: { checkout: Checkout } & ActionDialogProps) {
  return (
    <Dialog
      open
      onClose={onClose}
      title="The checkout link"
      actions={
        <Button variant="primary" onClick={onClose}>
          Done
        </Button>
      }
    >
      <Stack tight>
        <p>Send it to the person who pays.</p>
        <CodeBlock label="Link" text={checkout.localUrl ?? checkout.url} />
        {checkout.localUrl && <p>In mock mode it leads to this server’s page in place of Stripe’s.</p>}
        <LinkOut href={checkout.localUrl ?? checkout.url}>Open it</LinkOut>
      </Stack>
    </Dialog>
  );
}
