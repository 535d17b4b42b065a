import type { ImportFinding, ImportReport } from '../../services/billing/customerImport/importReport.js';

/** @returns a finding as a line for a person to read */
export function findingText(finding: ImportFinding, dryRun: boolean): string {
  switch (finding.kind) {
    case 'linked': {
      const { customer, tenant, isNew, by, tier } = finding;
      const verb = dryRun ? 'would be linked' : 'linked';
      const buys = tier ? `, ${tier}` : '';
      return `${customer}: ${verb} to ${isNew ? 'the new tenant ' : ''}${tenant} (by ${by})${buys}`;
    }
    case 'ambiguous':
      return `${finding.customer}: ambiguous, nothing was changed: ${finding.reason}`;
    case 'failed':
      return `${finding.customer}: failed: ${finding.reason}`;
    case 'without_tenant': {
      const { customer, email, subscription, tier, reason } = finding;
      const pays = subscription && `it pays by ${subscription}${tier ? ` for ${tier}` : ''}`;
      const facts = [email, pays, reason].filter(Boolean);
      return `${customer}: has no tenant here${facts.length > 0 ? `: ${facts.join('; ')}` : ''}`;
    }
    case 'unknown_price':
      return priceText(finding);
  }
}

function priceText(found: Extract<ImportFinding, { kind: 'unknown_price' }>): string {
  const { price, product, unitCents, currency, interval, intervalCount, subscriptions, example } = found;
  const every = intervalCount === 1 ? interval : `${intervalCount} ${interval}s`;
  const amount = unitCents === null ? '' : `, ${unitCents} minor units of ${currency} every ${every}`;
  return (
    `${price}${product ? ` of ${product}` : ''}${amount}: no tier has this price, ` +
    `which ${subscriptions} ${subscriptions === 1 ? 'customer pays' : 'customers pay'} (for example ${example}). ` +
    `Run again with --tier ${price}=TIER, or add it to the tier's STRIPE_PRICE_… or former prices in the catalogue`
  );
}

/** @returns the end of a report for a person to read */
export function reportText(report: ImportReport, open: number): string {
  const { changed, matched } = report;
  const by = Object.entries(matched).map(([method, count]) => `${count} by ${method}`);
  const total = Object.values(matched).reduce((sum, count) => sum + count, 0);
  const rows: [string, string | number][] = [
    ['customers at Stripe', report.customers],
    ['matched with a tenant', by.length > 0 ? `${total} (${by.join(', ')})` : total],
    ['tenants created', report.created],
    ['customers linked', report.linked],
    ['subscriptions stored', changed.subscriptions],
    ['e-mail addresses stored', changed.emails],
    ["customers named at Stripe, by their tenant's id", changed.metadata],
    ['already right', report.alreadyRight],
    ['stored otherwise than at Stripe; run npx continuum-billing stripe reconcile', report.outOfSync],
    ['with a tenant_id of another system, which was kept', report.metadataKept],
    ['left out by the CSV', report.excluded],
    ['without a tenant', `${report.withoutTenant}, of which ${report.payingWithoutTenant} need one`],
    ['ambiguous', report.ambiguous],
    ['prices without a tier', report.unknownPrices],
    ['failed', report.failed],
  ];
  const width = Math.max(...rows.map(([what]) => what.length));
  const lines = rows.map(([what, value]) => `  ${what.padEnd(width)}  ${value}`);
  const did = report.dryRun ? 'This was a dry run: nothing was written. It would do:' : 'Done:';
  const keys =
    report.created > 0
      ? '\nTenants that were created have no API keys; keys that they had before cannot be recovered. Create new ones with createApiKey.\n'
      : '';
  const needed = open > 0 ? `\n${open} of the above need a person.\n` : '';
  return `\n${did}\n${lines.join('\n')}\n${keys}${needed}`;
}
