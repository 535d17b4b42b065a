import type { TenantFigures } from '../../models/figures.js';
import { TenantState } from '../../models/tenantStanding.js';
import type { Standing } from './standing.js';

/** The document with the sums. */
export const COUNTS_ID = 'tenants' as const;

/** Amounts by their path in the figures, such as `tiers.PRO`. */
export type FigureAmounts = Map<string, number>;

/** What a tenant adds to the figures. */
export function shareOf(standing: Standing | null): FigureAmounts {
  const share: FigureAmounts = new Map();
  if (!standing) return share;
  const { tier, tierVersion, paidTier, monthlyCents, monthlyOther, states } = standing;
  for (const state of states) share.set(`states.${state}`, 1);
  if (states.includes(TenantState.ERASED)) return share;
  share.set('tenants', 1).set(`tiers.${tier}`, 1).set(`versions.${tier}.${tierVersion}`, 1);
  if (paidTier === null) return share;
  share.set(`revenue.${paidTier}.tenants`, 1);
  // Those that were stored before the field existed are without it.
  if (monthlyOther)
    share
      .set(`currencies.${monthlyOther.currency}.tenants`, 1)
      .set(`currencies.${monthlyOther.currency}.cents`, monthlyOther.cents);
  else if (monthlyCents === null) share.set('unpriced', 1);
  else share.set(`revenue.${paidTier}.cents`, monthlyCents);
  return share;
}

export function addTo(amounts: FigureAmounts, share: FigureAmounts, factor: 1 | -1 = 1): void {
  for (const [path, amount] of share) {
    const sum = (amounts.get(path) ?? 0) + factor * amount;
    if (sum === 0) amounts.delete(path);
    else amounts.set(path, sum);
  }
}

/** The amounts of figures that are not 0, to compare them. */
export function amountsIn(figures: TenantFigures): FigureAmounts {
  const amounts: FigureAmounts = new Map();
  const visit = (value: object, path: string) => {
    for (const [name, item] of Object.entries(value)) {
      if (typeof item === 'object') visit(item, `${path}${name}.`);
      else if (item !== 0) amounts.set(`${path}${name}`, item);
    }
  };
  visit(figures, '');
  return amounts;
}

export const payingIn = ({ revenue = {} }: TenantFigures): number =>
  Object.values(revenue).reduce((sum, { tenants = 0 }) => sum + tenants, 0);

export const centsIn = ({ revenue = {} }: TenantFigures): number =>
  Object.values(revenue).reduce((sum, { cents = 0 }) => sum + cents, 0);
