import { rate } from '../billing/lineText.js';
import { type PortalView, planItemOf } from '../billing/portal.js';
import { formatMoney } from '../money.js';
import { priceIn } from '../objects/price.js';
import { escapeHtml, page, row } from './html.js';

/** Cards that a person may try. */
const CARDS = [
  ['pm_card_visa', 'Visa •••• 4242'],
  ['pm_card_mastercard', 'Mastercard •••• 4444'],
  ['pm_card_chargeCustomerFail', 'Visa •••• 0341 (declined when charged)'],
] as const;

/** @param problem why the last action was rejected */
export function portalPage(view: PortalView, problem: string | null = null): string {
  const { sessionId, customer, subscription, plan, card, due, returnUrl } = view;
  const form = (action: string, content: string) =>
    `<form method="post" action="/mock/portal/${encodeURIComponent(sessionId)}/${action}">${content}</form>`;
  const price = subscription && planItemOf(subscription)?.price;
  const rows = [
    row('Plan', subscription ? (plan ?? 'Product') : 'none'),
    ...(subscription && price
      ? [row('Price', rate(priceIn(price, subscription.currency))), row('Status', stateOf(view))]
      : []),
    row('Card', card?.card ? `${card.card.display_brand} •••• ${card.card.last4}` : 'none'),
    row('E-mail', customer.email ?? 'not given'),
  ];
  const own = view.cardOnly ? null : subscription;
  const buttons = [
    ...(due && own
      ? [form('pay', `<button class="pay">Pay ${formatMoney(due.amount_due, due.currency)} now</button>`)]
      : []),
    ...(own ? switchForms(view, form) : []),
    ...(own
      ? [
          own.cancel_at === null
            ? form('cancel', '<button class="leave">Cancel at the end of the period</button>')
            : form('resume', '<button class="pay">Do not cancel</button>'),
        ]
      : []),
    ...CARDS.map(([id, name]) =>
      form(
        'card',
        `<input type="hidden" name="card" value="${id}"><button class="leave">Use ${escapeHtml(name)}</button>`,
      ),
    ),
  ];
  const back = returnUrl ? `<p class="soft"><a href="${escapeHtml(returnUrl)}">Return</a></p>` : '';
  return page(
    'Billing',
    `<h1>Your subscription</h1>
${problem ? `<p role="alert">${escapeHtml(problem)}</p>` : ''}
<dl>
${rows.join('\n')}
</dl>
${buttons.join('\n')}
${back}`,
  );
}

function stateOf({ subscription }: PortalView): string {
  if (!subscription) return 'none';
  const { status, cancel_at: cancelAt } = subscription;
  return cancelAt ? `${status}, ends on ${new Date(cancelAt * 1000).toISOString().slice(0, 10)}` : status;
}

const switchForms = ({ plans }: PortalView, form: (action: string, content: string) => string): string[] =>
  plans.map(({ price, name }) =>
    form(
      'switch',
      `<input type="hidden" name="price" value="${escapeHtml(price.id)}">` +
        `<button class="pay">Switch to ${escapeHtml(name)} (${escapeHtml(rate(price))})</button>`,
    ),
  );
