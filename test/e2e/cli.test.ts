import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.js';
import { OPERATOR_KEY, startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server?.stop());

const env = () => ({ CONTINUUM_URL: server.url, CONTINUUM_API_KEY: OPERATOR_KEY });
const cli = (...args: string[]) => runCli(args, env());

/** @returns the document of a command that must succeed */
// biome-ignore lint/suspicious/noExplicitAny: documents are what the tests look into
async function json(...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await cli(...args, '--json');
  expect(code, stderr).toBe(0);
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

describe('usage', () => {
  it.each([
    [['--help'], 'catalogue', 0],
    [['--version'], /^\d+\.\d+\.\d+\n$/, 0],
    [['tenant', '--help'], 'reinstate', 0],
    [['help', 'key'], 'rotate', 0],
    [['tenant', 'create', '--help'], '--external-id <id>', 0],
  ])('%j prints help on standard output', async (args, text, code) => {
    const ran = await runCli(args);
    expect(ran).toMatchObject({ code, stderr: '' });
    expect(ran.stdout).toMatch(text);
  });

  it.each([
    [[], 'Usage: continuum-billing'],
    [['tennant', 'list'], 'Did you mean tenant?'],
    [['tenant', 'lst'], 'Did you mean list?'],
    [['doctor', '--jsno'], 'Did you mean --json?'],
    [['tenant'], 'Usage: continuum-billing tenant'],
    [['tenant', 'create'], '--name <name>'],
    [['tenant', 'show'], 'name one tenant, by its id or by --external-id'],
    [['tenant', 'show', 'ten_1', '--external-id', 'a'], 'name one tenant'],
    [['tenant', 'update', 'ten_1'], 'say what to change'],
    [['tenant', 'list', '--limit', '0'], 'from 1 to 10000'],
    [['key', 'create', '--name', 'a', '--service', '--scope', 'READ'], 'leave out --scope'],
    [['key', 'create', 'ten_1', '--name', 'a', '--scope', 'FLY'], 'Allowed choices are READ'],
    [['catalogue', 'check', 'one.json', 'two.json'], 'too many arguments'],
  ])('%j is wrong usage: the error on standard error, and exit code 2', async (args, text) => {
    const ran = await runCli(args);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(text);
  });

  it('with --json, an error is a document too', async () => {
    const wrong = await runCli(['tenant', 'show', '--json']);
    expect(wrong.code).toBe(2);
    expect(JSON.parse(wrong.stdout).error).toEqual({
      code: 'WRONG_USAGE',
      message: 'name one tenant, by its id or by --external-id',
    });
    const keyless = await runCli(['tenant', 'list', '--json']);
    expect(keyless.code).toBe(1);
    expect(JSON.parse(keyless.stdout).error.code).toBe('WRONG_CONFIGURATION');
    const away = await runCli(['tenant', 'show', 'ten_1', '--json'], {
      CONTINUUM_URL: 'http://127.0.0.1:1',
      ADMIN_API_KEY: OPERATOR_KEY,
    });
    expect(away.code).toBe(1);
    expect(JSON.parse(away.stdout).error.code).toBe('NETWORK_ERROR');
    expect(away.stdout + away.stderr).not.toContain(OPERATOR_KEY);
  }, 60_000);
});

describe('tenant', () => {
  it('is created with a key that is printed once, shown, changed, suspended and reinstated', async () => {
    const { tenant, apiKey } = await json('tenant', 'create', '--name', 'Acme', '--external-id', 'acme');
    expect((await server.gql('{ tenant { id } }', { key: apiKey.secret })).data.tenant.id).toBe(tenant.id);
    const again = await cli('tenant', 'create', '--name', 'Acme', '--external-id', 'acme');
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('no key was made') });

    const shown = await cli('tenant', 'show', '--external-id', 'acme');
    for (const text of [tenant.id, 'Acme', 'FREE', 'calls today   0 of'])
      expect(shown.stdout).toContain(text);
    const changed = await json(
      'tenant',
      'update',
      tenant.id,
      '--name',
      'Acme Limited',
      '--email',
      'a@acme.example',
    );
    expect(changed.tenant).toMatchObject({
      name: 'Acme Limited',
      email: 'a@acme.example',
      externalId: 'acme',
    });

    await json('tenant', 'suspend', tenant.id, '--reason', 'unpaid');
    expect((await json('tenant', 'show', tenant.id)).tenant.suspendedAt).not.toBeNull();
    await json('tenant', 'reinstate', tenant.id);
    expect((await json('tenant', 'show', tenant.id)).tenant.suspendedAt).toBeNull();
  });

  it('is found in a list, which continues where an earlier one ended', async () => {
    await server.createTenant('One of a list');
    await server.createTenant('Two of a list');
    const first = await json('tenant', 'list', '--limit', '1', '--tier', 'FREE');
    expect(first).toMatchObject({ hasMore: true, tenants: [{ tier: { name: 'FREE' } }] });
    const rest = await json('tenant', 'list', '--after', first.endCursor);
    expect(rest.tenants.length).toBeGreaterThanOrEqual(1);
    expect(rest.tenants.map(({ id }: { id: string }) => id)).not.toContain(first.tenants[0].id);
    const { stdout } = await cli('tenant', 'list', '--limit', '1');
    expect(stdout).toMatch(/^ten_\w+\tFREE\t\S+\t[^\n]+\nThere are more: --after \S+\n$/);
    expect(await json('tenant', 'list', '--search', 'nobody-has-this-name')).toMatchObject({ tenants: [] });
  });

  it('is erased only when its id is confirmed', async () => {
    const { id } = await server.createTenant();
    const asked = await cli('tenant', 'erase', id);
    expect(asked).toMatchObject({ code: 1, stderr: expect.stringContaining(`--confirm ${id}`) });
    expect((await json('tenant', 'erase', id, '--confirm', id)).erasure.tenantId).toBe(id);
  });

  it('that does not exist is an error with its code', async () => {
    const { code, stdout } = await cli('tenant', 'show', 'ten_none', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout).error.code).toBe('NOT_FOUND');
  });
});

describe('key', () => {
  const works = async (key: string) =>
    (await server.gql('{ usage { apiCalls } }', { key })).errors.length === 0;

  it('is created, listed without its secret, rotated and revoked', async () => {
    const { id: tenant } = await server.createTenant();
    const created = await json('key', 'create', tenant, '--name', 'ci', '--scope', 'READ', 'USAGE');
    expect(created.apiKey).toMatchObject({ name: 'ci', scopes: ['READ', 'USAGE'] });
    expect(await works(created.secret)).toBe(true);

    const listed = await cli('key', 'list', tenant);
    expect(listed.stdout).toContain(`${created.apiKey.id}\tREAD,USAGE\tvalid\tci\n`);
    expect(listed.stdout).not.toContain(created.secret);

    const rotated = await json(
      'key',
      'rotate',
      created.apiKey.id,
      '--tenant',
      tenant,
      '--overlap-seconds',
      '0',
    );
    expect([await works(created.secret), await works(rotated.secret)]).toEqual([false, true]);
    await json('key', 'revoke', rotated.apiKey.id, '--tenant', tenant);
    expect(await works(rotated.secret)).toBe(false);
  });

  it('of a service belongs to no tenant', async () => {
    const { apiKey, secret } = await json('key', 'create', '--service', '--name', 'lamps');
    expect(apiKey.scopes).toEqual(['ENFORCE']);
    const { status } = await fetch(`${server.url}/v1/decisions`, { headers: { 'x-api-key': secret } });
    expect(status).toBe(200);
    await json('key', 'revoke', apiKey.id);
  });
});
