import { type Command, InvalidArgumentError } from 'commander';
import { REMOTE_ENVIRONMENT, type TenantFlags } from '../remoteServer.js';
import type { NewTenant, TenantChanges, TenantSearch } from '../tenants.js';
import { type CommandContext, runs } from './command.js';

const implementation = () => import('../tenants.js');
const DEFAULT_LISTED = 50;
const MAX_LISTED = 10_000;

export function addTenantCommands(program: Command, context: CommandContext): void {
  const tenant = program
    .command('tenant')
    .description('create and manage tenants of a running server')
    .addHelpText('after', `\n${REMOTE_ENVIRONMENT}`);
  addCreation(tenant, context);
  addReading(tenant, context);
  addChanges(tenant, context);
  addErasure(tenant, context);
}

/** A command about one tenant. */
const about = (parent: Command, name: string, description: string): Command =>
  parent
    .command(name)
    .description(description)
    .argument('[tenant]', 'its id (ten_…)')
    .option('--external-id <id>', 'your own id of it, instead');

function addCreation(tenant: Command, context: CommandContext): void {
  const create = tenant
    .command('create')
    .description('create a tenant, and print its API key, which is shown only then')
    .requiredOption('--name <name>', 'of the tenant')
    .option('--email <address>', 'for its invoices')
    .option(
      '--external-id <id>',
      'your own id of it; if a tenant has it already, that tenant is printed, unchanged',
    );
  runs<NewTenant>(create, context, async (output, options) =>
    (await implementation()).createTenant(output, options),
  );
}

function addReading(tenant: Command, context: CommandContext): void {
  const list = tenant
    .command('list')
    .description('list tenants, oldest first')
    .option('--search <text>', 'in names, e-mail addresses and ids')
    .option('--tier <name>', 'only those of this tier')
    .option('--limit <n>', 'how many at most', limitIn, DEFAULT_LISTED)
    .option('--after <cursor>', 'continue after an earlier list');
  runs<TenantSearch>(
    list,
    context,
    async (output, options) => (await implementation()).listTenants(output, options),
    'tenants',
  );
  const show = about(tenant, 'show', 'print a tenant, its subscription, and its usage today');
  runs<TenantFlags>(show, context, async (output, options, id) =>
    (await implementation()).showTenant(output, id, options),
  );
}

function addChanges(tenant: Command, context: CommandContext): void {
  const update = about(tenant, 'update', 'change a name, an e-mail address or your own id')
    .option('--name <name>', 'the new name')
    .option('--email <address>', 'the new address, also at Stripe')
    .option('--set-external-id <id>', 'your new id of it');
  runs<TenantFlags & TenantChanges>(update, context, async (output, options, id) =>
    (await implementation()).updateTenant(output, id, options),
  );
  const suspend = about(
    tenant,
    'suspend',
    "reject a tenant's metered operations; it can still read and pay",
  ).option('--reason <text>', 'for operators; the tenant does not see it');
  runs<TenantFlags & { reason?: string }>(suspend, context, async (output, options, id) =>
    (await implementation()).suspendTenant(output, id, options),
  );
  const reinstate = about(tenant, 'reinstate', 'end a suspension');
  runs<TenantFlags>(reinstate, context, async (output, options, id) =>
    (await implementation()).reinstateTenant(output, id, options),
  );
}

function addErasure(tenant: Command, context: CommandContext): void {
  const erase = tenant
    .command('erase')
    .description('erase a tenant and its personal data; this cannot be undone')
    .argument('<tenant>', 'its id (ten_…)')
    .option('--confirm <id>', 'its id once more');
  runs<{ confirm?: string }>(erase, context, async (output, options, id = '') =>
    (await implementation()).eraseTenant(output, id, options),
  );
}

function limitIn(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LISTED)
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${MAX_LISTED}.`);
  return limit;
}
