import { parseArgs } from 'node:util';
import {
  type Creation,
  type ImportOptions,
  MATCH_METHODS,
  type MatchMethod,
} from '../../src/services/billing/customerImport/importOptions.js';
import { readCustomerFile } from './customerFile.js';

export const HELP = `Brings the customers of a Stripe account here: matches them with tenants or creates tenants, links them, and stores their
subscriptions. A lost database is rebuilt in the same way. It is safe while servers run, may be interrupted, and is
repeated until it says that nothing is left to do: what was done is found done.

  npm run import:stripe -- --dry-run           print what it would do; nothing is written here or at Stripe
  npm run import:stripe                        link customers to tenants that exist
  npm run import:stripe -- --create            also create tenants: for customers that pay, and those that something names
  npm run import:stripe -- --create-all        also for all other customers

  --match metadata,external-id,email   what leads to a tenant, in order of precedence. Default: metadata,external-id.
                        metadata: tenant_id of the customer or of its subscriptions, which this server writes.
                        external-id: your own id of the tenant, which your systems wrote.
                        email: not in the default, because addresses at Stripe are not verified.
  --external-id-key KEY the key of your own id in a customer's metadata. Default: external_id
  --csv FILE            columns customer_id, tenant_id, external_id, name, email, of which the first is required. It takes
                        precedence over --match. A tenant_id of none leaves the customer out.
  --tier PRICE=TIER     the tier of a price that is not in the catalogue; may be repeated. It is written to the metadata of
                        the price at Stripe, where the server reads it, unless it is a dry run.
  --json                one JSON object a line for each finding, and at the end one with "kind": "report"
  --help                print this text

A customer that could be two tenants', or a tenant that two customers lead to, is reported, and nothing is changed. So is
a customer that is linked already, if something names another tenant. What is stored of a subscription is never ended or
lowered: npm run reconcile does that.

The environment variables are those of the server. Exit code: 0 when nothing needs a person; 1 otherwise.
`;

export interface ImportArguments extends ImportOptions {
  json: boolean;
}

/** An argument that cannot be understood. */
export class ArgumentError extends Error {}

/** @returns null if the help is wanted. @throws ArgumentError, CustomerFileError */
export function readImportArguments(args: readonly string[]): ImportArguments | null {
  const flag = { type: 'boolean', default: false } as const;
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: flag,
      'dry-run': flag,
      create: flag,
      'create-all': flag,
      json: flag,
      match: { ...text, default: 'metadata,external-id' },
      'external-id-key': { ...text, default: 'external_id' },
      csv: text,
      tier: { ...text, multiple: true, default: [] },
    },
  });
  if (values.help) return null;
  return {
    dryRun: values['dry-run'],
    create: creationOf(values.create, values['create-all']),
    json: values.json,
    match: methodsIn(values.match),
    externalIdKey: keyIn(values['external-id-key']),
    rows: values.csv === undefined ? new Map() : readCustomerFile(values.csv),
    tiers: new Map(values.tier.map(tierIn)),
  };
}

function creationOf(create: boolean, all: boolean): Creation {
  if (all) return 'all';
  return create ? 'paying' : 'none';
}

function methodsIn(list: string): MatchMethod[] {
  const names = list.split(',').map((name) => name.trim());
  const isKnown = (name: string): name is MatchMethod => MATCH_METHODS.some((method) => method === name);
  if (!names.every(isKnown) || new Set(names).size !== names.length)
    throw new ArgumentError(`--match ${list}: must be some of ${MATCH_METHODS.join(',')}, each once`);
  return names;
}

const MAX_KEY_CHARS = 40;

function keyIn(key: string): string {
  if (key === '' || key.length > MAX_KEY_CHARS)
    throw new ArgumentError(
      `--external-id-key: must have 1 to ${MAX_KEY_CHARS} characters, as Stripe's keys have`,
    );
  return key;
}

function tierIn(text: string): [string, string] {
  const [, price, tier] = /^([\w.-]+)=(\w+)$/.exec(text) ?? [];
  if (!price || !tier)
    throw new ArgumentError(`--tier ${text}: must be PRICE=TIER, for example price_123=PRO`);
  return [price, tier.toUpperCase()];
}
