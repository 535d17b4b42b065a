import { asksForCard } from '../billing/checkout.js';
import { cycleOf, rate } from '../billing/lineText.js';
import { formatMoney } from '../money.js';
import { priceIn } from '../objects/price.js';
import type { LineItemBody, SessionBody } from '../wire.js';
import { escapeHtml, page, row } from './html.js';

/** @param session an open one, with its line items */
export function checkoutPage(session: SessionBody): string {
  const items = session.line_items?.data ?? [];
  const total = formatMoney(session.amount_total ?? 0, session.currency ?? 'usd');
  // Metered items are listed below with their price alone.
  const bought = items.filter(({ quantity }) => quantity !== null);
  const listed = bought[0]?.price;
  const price = listed && priceIn(listed, session.currency ?? listed.currency);
  const trial = session.amount_total === 0 && price?.unit_amount;
  const terms = trial ? `today; after the trial ${rate(price)}` : `per ${price ? cycleOf(price) : 'period'}`;
  const email = session.customer_details?.email ?? session.customer_email;
  const action = `/mock/checkout/${encodeURIComponent(session.id)}`;
  const code = session.allow_promotion_codes
    ? '<label class="code">Promotion code <input name="promotion_code" maxlength="100" autocomplete="off"></label>'
    : '';
  const names = bought.map(({ description }) => description ?? 'Product').join(', ');
  return page(
    `Checkout: ${names}`,
    `<h1>Subscribe to ${escapeHtml(names)}</h1>
<p class="amount">${escapeHtml(total)}</p>
<p class="soft">${escapeHtml(terms)}</p>
<dl>
${items.map(itemRow).join('\n')}
${row('E-mail', email ?? 'not given')}
${row('Card', asksForCard(session) ? 'Visa •••• 4242' : 'not asked for')}
</dl>
<form method="post" action="${escapeHtml(action)}/complete">${code}<button class="pay">${asksForCard(session) ? 'Pay and subscribe' : 'Start the trial'}</button></form>
<form method="post" action="${escapeHtml(action)}/decline"><button class="leave">Decline and go back</button></form>`,
  );
}

const itemRow = ({ description, quantity, price, currency }: LineItemBody): string =>
  row(
    `${quantity === null ? '' : `${quantity} × `}${description ?? 'Product'}`,
    price ? rate(priceIn(price, currency)) : '',
  );
