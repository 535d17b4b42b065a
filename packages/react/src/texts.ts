import type { BillingErrorCode, TierPrice } from '@continuum-billing/client';

/** What happened, and what to do. */
export type ErrorText = readonly [title: string, advice: string];

const plural = (count: number, one: string, many = `${one}s`): string => (count === 1 ? one : many);

/**
 * Every text of the parts. Numbers, money and days arrive formatted; a count comes as a number, too, for the plural. Replace
 * any of them with the provider's `texts`.
 */
export const defaultTexts = {
  /** Of these texts; BCP 47. Numbers and dates follow the provider's `locale`. */
  language: 'en',

  // Units
  calls: (count: number, shown: string) => `${shown} ${plural(count, 'call')}`,
  seats: (count: number, shown: string) => `${shown} ${plural(count, 'seat')}`,
  days: (count: number, shown: string) => `${shown} ${plural(count, 'day')}`,
  unlimited: 'unlimited',
  noLimit: 'no limit',

  // States
  loading: 'Loading',
  retry: 'Try again',
  /** By which the server's log names the request. */
  request: (id: string) => `Request ${id}`,
  outdated: 'This could not be brought up to date. It shows what was known before.',
  noTiers: 'There are no plans at the moment',

  // Prices
  /** After an amount. The server's words are English: `a month`, `per seat a year`. */
  per: (price: TierPrice) => price.per,
  perTogether: (price: TierPrice) => price.per.replace(/^per seat /, ''),
  priced: (amount: string, per: string) => `${amount} ${per}`,
  free: 'free',
  byAgreement: 'By agreement',
  pricedByAgreement: 'priced by agreement',
  cycle: ({ interval, intervalCount }: Pick<TierPrice, 'interval' | 'intervalCount'>) =>
    intervalCount > 1
      ? `Every ${intervalCount} ${interval.toLowerCase()}s`
      : interval === 'YEAR'
        ? 'Yearly'
        : 'Monthly',
  howOften: 'How often you pay',
  currency: 'Currency',

  // A tier's terms
  plans: 'Plans',
  perDay: (calls: string) => `${calls} a day`,
  perMinute: (calls: string) => `${calls} a minute`,
  atOnce: (calls: string) => `${calls} at once`,
  stored: (name: string, limit: string) => `${name}: ${limit}`,
  storage: (limit: string) => `Storage: ${limit}`,
  overage: (amount: string, calls: string) => `${amount} for ${calls}`,
  moreCalls: (overage: string) => `More calls, if you allow them: ${overage}`,
  support: (support: string) => `Support: ${support}`,
  trial: (days: string, needsCard: boolean) => `${days} free at first${needsCard ? '' : ', no card needed'}`,

  // Buttons and badges of a tier
  yourPlan: 'Your plan',
  highlighted: 'Recommended',
  from: (day: string) => `From ${day}`,
  choose: (tier: string) => `Choose ${tier}`,
  buy: (tier: string) => `Buy ${tier}`,
  try: (tier: string, days: string) => `Try ${tier} for ${days}`,
  upgrade: (tier: string) => `Upgrade to ${tier}`,
  downgrade: (tier: string) => `Downgrade to ${tier}`,
  change: (tier: string) => `Change to ${tier}`,
  pay: (cycle: string) => `Pay ${cycle.toLowerCase()}`,
  keep: (tier: string) => `Keep ${tier}`,
  cancel: (tier: string) => `Cancel ${tier}`,
  contact: 'Contact us',
  changeSeats: 'Change seats',
  arranged: 'Changes of this plan are arranged with us',
  arrangedAdvice: (product: string, isReachable: boolean) =>
    isReachable ? `Write to ${product} to change it.` : `Ask ${product} to change it.`,

  // The current plan
  planTitle: (tier: string) => `${tier} plan`,
  changePlan: 'Change plan',
  choosePlan: 'Choose a plan',
  managePayment: 'Manage payment',
  active: 'Active',
  trialing: 'Trial',
  pastDue: 'Payment due',
  unpaid: 'Unpaid',
  paused: 'Paused',
  paymentsPaused: 'Payments paused',
  ends: (day: string) => `Ends ${day}`,
  setForYou: (product: string, until: string | null) =>
    `${product} has set this plan for you${until ? ` until ${until}` : ''}.`,
  paysNothing: 'You pay nothing for it. Choose another plan below to get more.',
  agreed: (product: string, until: string | null) =>
    `Your plan is agreed with ${product}${until ? ` until ${until}` : ''}.`,
  endsOn: (tier: string, day: string, next: string | null) =>
    `${tier} ends on ${day}. ${next ? `After that you are on ${next}, and pay nothing more.` : 'After that you pay nothing more.'}`,
  costsFrom: (tier: string, price: string, day: string) => `${tier} costs ${price} from ${day}.`,
  changesTo: (tier: string, next: string, day: string, price: string) =>
    `${tier} changes to ${next} on ${day}, at ${price}.`,
  trialEnds: (tier: string, day: string, price: string) =>
    `Your trial of ${tier} ends on ${day}. Then it costs ${price}.`,
  hasWithoutPaying: (tier: string) => `You have ${tier}, and pay nothing for it at present.`,
  isPaused: (tier: string) => `Your subscription to ${tier} is paused.`,
  isPausedAdvice: 'Resume it once there is a payment method.',
  youPay: (price: string, seats: string | null, renews: string | null) =>
    `You pay ${price}${seats ? `, for ${seats}` : ''}.${renews ? ` It renews on ${renews}.` : ''}`,

  // What a person should do something about
  payNow: 'Pay or update the payment method',
  suspended: 'Your account is suspended',
  suspendedAdvice: (product: string) =>
    `${product} rejects its calls. You can still see and pay everything here.`,
  noPaymentMethod: 'There is no payment method',
  noPaymentMethodAdvice: (outcome: 'CANCEL' | 'PAUSE' | 'INVOICE', day: string) =>
    `Without one, ${
      {
        CANCEL: 'your plan ends',
        PAUSE: 'your plan is paused, until you add one and resume it,',
        INVOICE: 'your first payment is overdue',
      }[outcome]
    } on ${day}.`,
  paymentFailed: 'Your last payment failed',
  paymentFailedAdvice: (tier: string, until: string | null) =>
    until
      ? `You keep ${tier} until ${until}. Pay, or update your payment method, to keep it.`
      : 'Pay, or update your payment method, to keep your plan.',
  notPaid: 'Your subscription is not paid',
  notPaidAdvice: 'Pay what is due to get your plan back.',
  incomplete: 'Your payment is not complete',
  incompleteAdvice: 'Your plan begins when the payment has succeeded.',
  planPaused: 'Your plan is paused',
  resumePlan: (tier: string) => `Resume ${tier}`,
  pauseNotice: 'Your payments are paused',
  pauseAdvice: (product: string, until: string | null) =>
    `${product} has paused them${until ? ` until ${until}` : ''}. You keep your plan, and can change it once you pay again.`,
  payAgain: 'Pay again now',

  // Dialogs
  dismiss: 'Cancel',
  close: 'Close',
  question: (action: string) => `${action}?`,
  payAndChange: 'Pay and change',
  keepsUntil: (tier: string, day: string, next: string) =>
    `You keep ${tier} until ${day}, which is paid. Then ${next} begins.`,
  paysUntil: (day: string, cycle: string) =>
    `Nothing changes until ${day}, which is paid. Then you pay ${cycle.toLowerCase()}.`,
  beginsAtOnce: (next: string, old: string) =>
    `${next} begins at once and replaces ${old}. What you have paid for the rest of this period is taken off.`,
  paysFromNow: (cycle: string) =>
    `You pay ${cycle.toLowerCase()} from now on. What you have paid for the rest of this period is taken off.`,
  dataStays: (tier: string) =>
    `Your data stays. What is above a limit of ${tier} cannot grow until you delete some.`,
  plan: 'Plan',
  planForSeats: (plan: string, seats: string) => `${plan}, for ${seats}`,
  tierAtPrice: (tier: string, price: string) => `${tier}, ${price}`,
  begins: 'Begins',
  now: 'Now',
  restOfPeriod: 'For the rest of this period',
  taxOnIt: 'Tax on it',
  youPayNow: 'You pay now',
  takenOff: 'Taken off your next invoices',
  nextInvoice: 'Next invoice',
  amountOn: (amount: string, day: string) => `${amount} on ${day}`,
  howManySeats: (tier: string) => `How many seats of ${tier}?`,
  toPayment: 'Go to the payment',
  seatsCost: (tier: string, price: string) =>
    `${tier} costs ${price}. You can change the number of seats at any time.`,
  seatsField: 'Seats',
  seatsProblem: (max: string) => `A whole number from 1 to ${max}.`,
  seatsNeeded: (count: number, shown: string) => `At least ${shown} ${plural(count, 'seat')} are needed`,
  seatsNeededAdvice: 'What is stored now needs them. Delete some of it to have fewer.',
  seatsTooFew: (count: number, shown: string) =>
    `What is stored needs ${shown} ${plural(count, 'seat')}. Delete some of it to have fewer.`,
  together: 'Together',
  changeSeatsOf: (tier: string) => `Change the seats of ${tier}`,
  presentSeats: (seats: string, price: string) =>
    `You have ${seats}, at ${price}. A change takes effect at once.`,
  alreadyEnds: (tier: string, day: string) =>
    `${tier} ends on ${day} already. There is nothing more to cancel.`,
  keepsAfterCancel: (tier: string, day: string) =>
    `You keep ${tier} until ${day}, and can change your mind until then.`,
  onTrial: 'It is on trial, so you have paid nothing for it.',
  endsLabel: 'Ends',
  planAfterwards: 'Plan afterwards',
  paidBack: 'Paid back',
  moreCallsDue: 'More calls, not invoiced yet',
  lastInvoice: 'Last invoice',
  noInvoiceLeft: 'None is left',
  afterwards: (tier: string, amount: string) =>
    `On ${tier} you have ${amount}. Your data stays, but what is above a limit of ${tier} cannot grow.`,
  dataStaysAll: 'Your data stays.',
  openInvoices: 'Open invoices stay due.',
  cancellationUndone: (day: string) => `The cancellation on ${day} is undone.`,
  changeUndone: (tier: string | null, day: string) =>
    `The change to ${tier ?? 'the other plan'} on ${day} is undone.`,
  goesOn: (tier: string, price: string, day: string | null) =>
    `${tier} goes on at ${price}${day ? `; the next invoice is on ${day}` : ''}. Nothing is paid now.`,
  resumeTerms: (tier: string, price: string) =>
    `${tier} goes on at ${price}. The first payment is charged to your payment method now.`,
  payAgainQuestion: 'Pay again now?',
  payAgainConfirm: 'Pay again',
  keepPause: 'Keep the pause',
  payAgainTerms: (product: string, day: string) =>
    `Nothing is paid now. The next invoice is on ${day}. Only ${product} can pause your payments again.`,

  // What was done
  changedNow: (tier: string) => `You are on ${tier} now`,
  changesOn: (tier: string, day: string) => `You change to ${tier} on ${day}`,
  seatsNow: (seats: string) => `You have ${seats} now`,
  endsDone: (tier: string, day: string) => `${tier} ends on ${day}`,
  kept: (tier: string) => `You keep ${tier}`,
  paymentsResumed: 'Your payments are no longer paused',

  // Usage
  today: 'Today',
  thisMinute: 'This minute',
  thisHour: 'This hour',
  thisMonth: 'This month',
  space: 'Space',
  usedOf: (limit: string) => `of ${limit}`,
  beyond: (calls: string) => `${calls} beyond, paid`,
  resets: (relative: string, at: string) => `Resets ${relative}, at ${at}`,

  /** By the code of an error. `OTHER` is for all that are not listed. */
  errors: {
    NETWORK_ERROR: [
      'The page cannot reach us',
      'Check your connection and try again. What did not arrive changed nothing.',
    ],
    TIMEOUT: ['The answer took too long', 'Try again, and look first whether it was done.'],
    UNAUTHENTICATED: ['Your session has ended', 'Open billing again from the product.'],
    FORBIDDEN: [
      'This page shows another account than you have open now',
      'Billing was opened for another account in this browser. Close this page and open billing again.',
    ],
    NOT_FOUND: ['It does not exist', 'Reload the page.'],
    BAD_USER_INPUT: [
      'This is not possible at the moment',
      'Reload the page: your plan may have changed meanwhile.',
    ],
    RATE_LIMITED: ['Too many requests', 'Wait a minute and try again.'],
    PAYMENT_PROVIDER_ERROR: [
      'This did not work at Stripe',
      'Try again in a minute, or check your payment method.',
    ],
    SERVICE_UNAVAILABLE: [
      'We cannot do this at the moment',
      'Try again in a minute, and look first whether it was done.',
    ],
    FEATURE_NOT_AVAILABLE: ['Your plan does not have this', 'Choose a plan that does.'],
    INTERNAL_SERVER_ERROR: [
      'We had an error',
      'Try again. If it happens again, ask for help and name the request.',
    ],
    OTHER: ['It did not work', 'Try again.'],
  } as { readonly [code in BillingErrorCode | 'OTHER']?: ErrorText } & { readonly OTHER: ErrorText },
};

export type Texts = typeof defaultTexts;

/** What replaces some of the texts. */
export type TextOverrides = Partial<Omit<Texts, 'errors'>> & { errors?: Partial<Texts['errors']> };

export const mergedTexts = (overrides: TextOverrides = {}): Texts => ({
  ...defaultTexts,
  ...overrides,
  errors: { ...defaultTexts.errors, ...overrides.errors } as Texts['errors'],
});
