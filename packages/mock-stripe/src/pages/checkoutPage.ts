import { asksForAddress, asksForCard } from '../billing/checkout.js';
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
  const code = session.allow_promotion_codes ? field('Promotion code', 'promotion_code', 100) : '';
  const names = bought.map(({ description }) => description ?? 'Product').join(', ');
  return page(
    `Checkout: ${names}`,
    `<h1>Subscribe to ${escapeHtml(names)}</h1>
<p class="amount">${escapeHtml(total)}</p>
<p class="soft">${escapeHtml(terms)}</p>
<dl>
${items.map(itemRow).join('\n')}
${row('E-mail', email ?? 'not given')}
${taxRow(session)}${row('Card', asksForCard(session) ? 'Visa •••• 4242' : 'not asked for')}
</dl>
<form method="post" action="${escapeHtml(action)}/complete">${detailFields(session)}${code}<button class="pay">${asksForCard(session) ? 'Pay and subscribe' : 'Start the trial'}</button></form>
<form method="post" action="${escapeHtml(action)}/decline"><button class="leave">Decline and go back</button></form>`,
  );
}

const field = (label: string, name: string, maxLength: number) =>
  `<label class="code">${label} <input name="${name}" maxlength="${maxLength}" autocomplete="off"></label>`;

/** What is left empty is as the README says. */
function detailFields(session: SessionBody): string {
  const address = asksForAddress(session)
    ? field('Country, such as DE', 'country', 2) + field('Postal code', 'postal_code', 20)
    : '';
  const taxId = session.tax_id_collection?.enabled
    ? field('Business name', 'name', 100) + field('Tax ID', 'tax_id', 50)
    : '';
  return address + taxId;
}

function taxRow({ automatic_tax: tax, total_details: details, currency }: SessionBody): string {
  if (!tax.enabled) return '';
  const amount =
    tax.status === 'complete'
      ? formatMoney(details?.amount_tax ?? 0, currency ?? 'usd')
      : 'added when the address is known';
  return `${row('Tax', amount)}\n`;
}

const itemRow = ({ description, quantity, price, currency }: LineItemBody): string =>
  row(
    `${quantity === null ? '' : `${quantity} × `}${description ?? 'Product'}`,
    price ? rate(priceIn(price, currency)) : '',
  );
