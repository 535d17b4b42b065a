import { formatCount, formatMoney } from '../../design/index.js';

/** @returns for instance `$0.10 for 1,000 calls` */
export const overageText = (
  { priceCents, perCalls }: { priceCents: number; perCalls: number },
  currency: string,
): string => `${formatMoney(priceCents, currency)} for ${formatCount(perCalls, 'call')}`;
