import type { ApiKeyScope } from '@continuum-billing/client';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { KeyOwner, NewKey } from '../keys.js';
import { REMOTE_ENVIRONMENT, type TenantFlags } from '../remoteServer.js';
import { type CommandContext, runs } from './command.js';

const implementation = () => import('../keys.js');
const SCOPES: readonly ApiKeyScope[] = ['READ', 'WRITE', 'USAGE', 'BILLING', 'KEYS'];
const MAX_OVERLAP_SECONDS = 30 * 86_400;

export function addKeyCommands(program: Command, context: CommandContext): void {
  const key = program
    .command('key')
    .description('create and manage API keys of a running server')
    .addHelpText('after', `\n${REMOTE_ENVIRONMENT}`);

  const create = key
    .command('create')
    .description('create a key, and print it, which is done only then')
    .argument('[tenant]', 'whose key it is: a tenant (ten_…)')
    .option('--external-id <id>', 'your own id of the tenant, instead')
    .option('--service', 'for a service of yours that enforces limits for all tenants (ENFORCE), instead')
    .requiredOption('--name <name>', 'of the key')
    .addOption(new Option('--scope <scopes...>', 'what it may do').choices(SCOPES))
    .option('--expires-at <instant>', 'such as 2027-01-31T00:00:00Z; default: never');
  runs<NewKey>(create, context, async (output, options, tenant) =>
    (await implementation()).createKey(output, tenant, options),
  );

  const list = key
    .command('list')
    .description("list a tenant's keys without their secrets, newest first")
    .argument('[tenant]', 'its id (ten_…)')
    .option('--external-id <id>', 'your own id of it, instead');
  runs<TenantFlags>(
    list,
    context,
    async (output, options, tenant) => (await implementation()).listKeys(output, tenant, options),
    'keys',
  );

  const rotate = ofOneKey(
    key,
    'rotate',
    'replace a key: print a new one, and let the old one work for a while',
  ).option('--overlap-seconds <n>', 'how long the old key works; default: a day', overlapIn);
  runs<KeyOwner & { overlapSeconds?: number }>(rotate, context, async (output, options, id = '') =>
    (await implementation()).rotateKey(output, id, options),
  );

  const revoke = ofOneKey(key, 'revoke', 'stop a key from working, at once');
  runs<KeyOwner>(revoke, context, async (output, options, id = '') =>
    (await implementation()).revokeKey(output, id, options),
  );
}

const ofOneKey = (parent: Command, name: string, description: string): Command =>
  parent
    .command(name)
    .description(description)
    .argument('<key>', 'its id (key_…)')
    .option('--tenant <id>', 'whose key it is; not for a service key')
    .option('--external-id <id>', 'your own id of the tenant, instead');

function overlapIn(text: string): number {
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > MAX_OVERLAP_SECONDS)
    throw new InvalidArgumentError(`It must be a whole number from 0 to ${MAX_OVERLAP_SECONDS}.`);
  return seconds;
}
