import type { TierDefinition, TierLimits } from '../catalogue/catalogue.js';
import { displayNameOf } from '../catalogue/displayNames.js';
import { perText } from '../catalogue/prices.js';
import { finiteLimit } from '../catalogue/unlimited.js';
import { amountText, bytesText } from '../common/amounts.js';
import { formatMoney } from '../common/money.js';
import type { PublicBrand } from '../services/publicBrand.js';
import type { Tiers } from '../services/tiers/tiers.js';

/**
 * The price page for those who read it without scripts: search engines, link previews, some people. What others see is
 * drawn from the API (dashboard/src/customer).
 */
export function priceList(
  tiers: Tiers,
  brand: ReturnType<PublicBrand['read']>,
  { sampleDomain }: { sampleDomain: boolean },
): string {
  const { productName, upgradeUrl, upgradesInProduct, supportEmail, supportUrl } = brand;
  const sections = tiers.listed().map((tier) => {
    const items = linesOf(tiers, tier, sampleDomain).map((line) => `<li>${escapeHtml(line)}</li>`);
    const name = displayNameOf(tiers.catalogue, tier.name);
    const description = tier.description && `<p>${escapeHtml(tier.description)}</p>`;
    return `<section><h2>${escapeHtml(name)}</h2>${description}<p>${escapeHtml(priceOf(tiers, tier))}</p><ul>${items.join('')}</ul></section>`;
  });
  const how = upgradesInProduct
    ? `<a href="${escapeHtml(upgradeUrl)}">Choose a plan in ${escapeHtml(productName)}</a>`
    : `To choose a plan, sign in to ${escapeHtml(productName)} and open billing there.`;
  const support = supportUrl
    ? `<p><a href="${escapeHtml(supportUrl)}">Support</a></p>`
    : supportEmail
      ? `<p><a href="mailto:${escapeHtml(supportEmail)}">${escapeHtml(supportEmail)}</a></p>`
      : '';
  return `<main><h1>${escapeHtml(titleOf(brand))}</h1>${sections.join('')}<p>${how}</p>${support}</main>`;
}

export const titleOf = ({ productName }: { productName: string }): string =>
  `Plans and prices of ${productName}`;

function priceOf(tiers: Tiers, tier: TierDefinition): string {
  const { currency } = tiers.catalogue;
  const prices = tiers
    .pricesOf(tier)
    .map(
      (price) =>
        `${formatMoney(price.amounts[currency] ?? 0, currency, { stripZeros: true })} ${perText(price)}`,
    );
  if (prices.length === 0) return tier.monthlyPriceCents === 0 ? 'Free' : 'Priced by agreement';
  const { trialDays, trialRequiresCard } = tier;
  const price = prices.join(', or ');
  if (trialDays === 0) return price;
  const trial = `${price}, after a free trial of ${amountText(trialDays, 'days')}`;
  return trialRequiresCard ? trial : `${trial}, for which no card is needed`;
}

/** What is not in the tier at all has no line. */
function linesOf(
  tiers: Tiers,
  { name, limits, features, support }: TierDefinition,
  sampleDomain: boolean,
): string[] {
  const { catalogue } = tiers;
  const overage = tiers.getOverage(name);
  const stored = Object.entries(limits.stored).map(
    ([resource, limit]) =>
      [limit, `${displayNameOf(catalogue, resource)}: ${limitText('stored', limit)}`] as const,
  );
  const amounts: (readonly [amount: number, line: string])[] = [
    [limits.apiCallsPerDay, `${callsText('apiCallsPerDay', limits)} a day`],
    [limits.apiCallsPerMinute, `${callsText('apiCallsPerMinute', limits)} a minute`],
    [limits.concurrentRequests, `${limitText('concurrentRequests', limits.concurrentRequests)} at once`],
    [sampleDomain ? limits.maxMemories : 0, `Memories: ${limitText('maxMemories', limits.maxMemories)}`],
    ...stored,
    [limits.maxStorageBytes, `Storage: ${limitText('maxStorageBytes', limits.maxStorageBytes, bytesText)}`],
  ];
  const overagePrice =
    overage &&
    `Beyond the daily calls: ${formatMoney(overage.priceCents, catalogue.currency)} for ${amountText(overage.perCalls, 'calls')}`;
  return [
    ...amounts.flatMap(([amount, line]) => (amount > 0 ? [line] : [])),
    ...(overagePrice ? [overagePrice] : []),
    ...features.map((feature) => displayNameOf(catalogue, feature)),
    ...(support ? [`Support: ${support}`] : []),
  ];
}

const limitText = (name: string, limit: number, text: (limit: number) => string = number.format): string => {
  const finite = finiteLimit(name, limit);
  return finite === null ? 'unlimited' : text(finite);
};

function callsText(name: 'apiCallsPerDay' | 'apiCallsPerMinute', limits: TierLimits): string {
  const finite = finiteLimit(name, limits[name]);
  return finite === null ? 'unlimited calls' : amountText(finite, 'calls');
}

const number = new Intl.NumberFormat('en');

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
