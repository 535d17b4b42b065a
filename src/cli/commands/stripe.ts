import { type Command, InvalidArgumentError } from 'commander';
import { MATCH_METHODS, type MatchMethod } from '../../services/billing/customerImport/importOptions.js';
import { type CommandContext, runs } from './command.js';

export function addStripeCommands(program: Command, context: CommandContext): void {
  const stripe = program
    .command('stripe')
    .description('set up Stripe, compare with it, and bring its customers here');
  addSetup(stripe, context);
  addTrigger(stripe, context);
  addReconcile(stripe, context);
  addImport(stripe, context);
}

function addSetup(stripe: Command, context: CommandContext): void {
  const setup = stripe
    .command('setup')
    .description('create at Stripe what the server needs, unless it exists')
    .option('--dry-run', 'print what it would do, and change nothing')
    .addHelpText(
      'after',
      `
Products and prices for the catalogue's tiers and their overage, the usage meters, the billing portal's configuration and
the webhook endpoint. It is safe to run again. Standard output gets the variables for the server's environment.

Environment: STRIPE_SECRET_KEY (required), PUBLIC_URL (https, for the webhook endpoint), CATALOG_FILE,
BRAND_FILE (products get its product name), STRIPE_TAX_BEHAVIOR (of prices), STRIPE_API_BASE.`,
    );
  runs<{ dryRun?: boolean }>(setup, context, async (output, { dryRun = false }) => {
    const { pushCatalogue } = await import('../pushCatalogue.js');
    return pushCatalogue(output, dryRun);
  });
}

function addTrigger(stripe: Command, context: CommandContext): void {
  const trigger = stripe
    .command('trigger')
    .description('make a Stripe event happen to a tenant of a running server in mock mode')
    .argument('<event>', 'such as invoice.payment_failed; an unknown one lists those that there are')
    .option('--tenant <id>', 'to this tenant; default: the oldest one')
    .option('--url <url>', 'of the server; default: CONTINUUM_URL, PUBLIC_URL, or http://127.0.0.1:PORT')
    .addHelpText(
      'after',
      `
What leads to the event is done at the mock, which then sends its webhooks.

Environment: ADMIN_API_KEY, the operator's key (the first start prints it).`,
    );
  runs<{ tenant?: string; url?: string }>(trigger, context, async ({ env }, options, event = '') => {
    const { triggerEvent } = await import('../stripeTrigger.js');
    return triggerEvent(env, { event, ...options });
  });
}

function addReconcile(stripe: Command, context: CommandContext): void {
  const reconcile = stripe
    .command('reconcile')
    .description(
      'compare subscriptions, customers and recent events with Stripe, and repair what is out of sync',
    )
    .option('--dry-run', 'print what it would repair')
    .option('--force', 'continue, however many subscriptions would end')
    .addHelpText(
      'after',
      `
It is safe while servers run. Before it changes anything, it counts. It stops if more than 5 subscriptions, and more than
1 % of those that grant a tier, would end or are not shown by Stripe: the key probably belongs to another account or mode.
Subscriptions that Stripe does not show are kept in any case. Events of the last 30 days are compared.

An interrupted run is resumed within a day. The environment variables are those of the server. The exit code is 1 when it
stopped early, or would have without --dry-run.`,
    );
  runs<{ dryRun?: boolean; force?: boolean }>(
    reconcile,
    context,
    async (output, { dryRun = false, force = false }) => {
      const { reconcile: run } = await import('../reconcile.js');
      return run(output, { dryRun, force });
    },
    'repairs',
  );
}

interface ImportFlags {
  dryRun?: boolean;
  create?: boolean;
  createAll?: boolean;
  match: MatchMethod[];
  externalIdKey: string;
  csv?: string;
  tier?: Map<string, string>;
}

function addImport(stripe: Command, context: CommandContext): void {
  const command = stripe
    .command('import')
    .description("bring a Stripe account's customers here, or rebuild a lost database")
    .option('--dry-run', 'print what it would do; nothing is written here or at Stripe')
    .option('--create', 'also create tenants: for customers that pay, and those that something names')
    .option('--create-all', 'also create tenants for all other customers')
    .option(
      '--match <methods>',
      'what leads to a tenant, in order of precedence',
      methodsIn,
      methodsIn('metadata,external-id'),
    )
    .option(
      '--external-id-key <key>',
      "the key of your own id in a customer's metadata",
      keyIn,
      'external_id',
    )
    .option(
      '--csv <file>',
      'columns customer_id, tenant_id, external_id, name, email; takes precedence over --match',
    )
    .option(
      '--tier <price=tier>',
      'the tier of a price that is not in the catalogue; may be repeated',
      tiersIn,
    )
    .addHelpText(
      'after',
      `
It matches customers with tenants or creates tenants, links them, and stores their subscriptions. It is safe while servers
run, may be interrupted, and is repeated until it says that nothing is left to do: what was done is found done.

Methods of --match:
  metadata       tenant_id of the customer or of its subscriptions, which this server writes
  external-id    your own id of the tenant, which your systems wrote
  email          not in the default, because addresses at Stripe are not verified

In a CSV only customer_id is required. A tenant_id of none leaves the customer out. What --tier says is written to the
metadata of the price at Stripe, where the server reads it, unless it is a dry run.

A customer that could be two tenants', or a tenant that two customers lead to, is reported, and nothing is changed. So is
a customer that is linked already, if something names another tenant. What is stored of a subscription is never ended or
lowered: \`stripe reconcile\` does that.

The environment variables are those of the server. The exit code is 1 if something needs a person.`,
    );
  runs<ImportFlags>(
    command,
    context,
    async (output, flags) => {
      const { importCustomers } = await import('../customerImport/customerImport.js');
      const {
        dryRun = false,
        create = false,
        createAll = false,
        match,
        externalIdKey,
        csv,
        tier = new Map(),
      } = flags;
      const creation = createAll ? 'all' : create ? 'paying' : 'none';
      return importCustomers(output, { dryRun, create: creation, match, externalIdKey, tiers: tier }, csv);
    },
    'findings',
  );
}

function methodsIn(list: string): MatchMethod[] {
  const names = list.split(',').map((name) => name.trim());
  const isKnown = (name: string): name is MatchMethod => MATCH_METHODS.some((method) => method === name);
  if (!names.every(isKnown) || new Set(names).size !== names.length)
    throw new InvalidArgumentError(`It must be some of ${MATCH_METHODS.join(',')}, each once.`);
  return names;
}

const MAX_KEY_CHARS = 40;

function keyIn(key: string): string {
  if (key === '' || key.length > MAX_KEY_CHARS)
    throw new InvalidArgumentError(`It must have 1 to ${MAX_KEY_CHARS} characters, as Stripe's keys have.`);
  return key;
}

function tiersIn(text: string, before: ReadonlyMap<string, string> = new Map()): Map<string, string> {
  const [, price, tier] = /^([\w.-]+)=(\w+)$/.exec(text) ?? [];
  if (!price || !tier) throw new InvalidArgumentError('It must be PRICE=TIER, for example price_123=PRO.');
  return new Map([...before, [price, tier.toUpperCase()]]);
}
