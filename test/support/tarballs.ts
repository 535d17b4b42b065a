import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A package as `npm pack` makes it. */
export interface Tarball {
  file: string;
  bytes: number;
  /** The paths in it. */
  files: string[];
}

/** A project of another team, in a folder of its own. */
export interface Project {
  install(...packages: string[]): Promise<void>;
  /** The installed packages, without the project itself, and their kilobytes on disk. */
  installed(): Promise<{ packages: string[]; kilobytes: number }>;
  /** Rejects if `npm ls` finds a package missing, of the wrong version or needless. */
  check(): Promise<void>;
  /**
   * Runs a program of the project.
   * @param node the Node binary; default: the one that runs the tests
   * @returns the JSON that it prints
   */
  evaluate(program: string, options?: { env?: Record<string, string>; node?: string }): Promise<unknown>;
  /** Runs a command of an installed package. @param node as for `evaluate` */
  command(
    name: string,
    args: readonly string[],
    options?: { env?: Record<string, string>; node?: string },
  ): Promise<{ code: number; stdout: string; stderr: string }>;
  /** @returns what a strict compiler says of modules of the project, which may have JSX; '' for nothing */
  compile(...sources: string[]): Promise<string>;
  remove(): Promise<void>;
  folder: string;
}

/** Packs what is built. @param folder of the package; @param destination a folder */
export async function pack(folder: string, destination: string): Promise<Tarball> {
  const { stdout } = await run('npm', [
    'pack',
    folder,
    '--ignore-scripts',
    '--json',
    '--pack-destination',
    destination,
  ]);
  const [{ filename, files }] = JSON.parse(stdout);
  const file = join(destination, filename);
  return { file, bytes: (await stat(file)).size, files: files.map(({ path }: { path: string }) => path) };
}

/** Packs every package that is built, by the command of docs/support.md. @returns the files of the tarballs */
export async function packAll(destination: string): Promise<string[]> {
  const options = ['--ignore-scripts', '--json', '--pack-destination', destination];
  const { stdout } = await run('npm', ['pack', '-w', 'packages', '--include-workspace-root', ...options]);
  return JSON.parse(stdout).map(({ filename }: { filename: string }) => join(destination, filename));
}

export async function createProject(): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'continuum-project-'));
  const inFolder = { cwd: folder, maxBuffer: 16 * 1_048_576 };
  await writeFile(join(folder, 'package.json'), '{ "name": "lamps", "private": true, "type": "module" }');
  return {
    folder,
    async install(...packages) {
      await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...packages], inFolder);
    },
    async installed() {
      const { stdout } = await run('npm', ['ls', '--all', '--parseable'], inFolder);
      const [, ...packages] = stdout.trim().split('\n');
      const usage = await run('du', ['-sk', 'node_modules'], inFolder);
      return { packages, kilobytes: Number.parseInt(usage.stdout, 10) };
    },
    async check() {
      await run('npm', ['ls', '--all'], inFolder);
    },
    async evaluate(program, { env = {}, node = process.execPath } = {}) {
      const file = join(folder, 'program.mjs');
      await writeFile(file, program);
      const { stdout } = await run(node, [file], { ...inFolder, env: { ...process.env, ...env } });
      return JSON.parse(stdout);
    },
    command(name, args, { env = {}, node = process.execPath } = {}) {
      const file = join(folder, 'node_modules/.bin', name);
      return run(node, [file, ...args], { ...inFolder, env: { ...process.env, ...env } }).then(
        (done) => ({ ...done, code: 0 }),
        ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
      );
    },
    async compile(...sources) {
      const files = sources.map((_source, index) => `lamps${index}.tsx`);
      await Promise.all(
        sources.map((source, index) => writeFile(join(folder, files[index] as string), source)),
      );
      const tsc = resolve('node_modules/typescript/bin/tsc');
      const options = [
        '--noEmit',
        '--strict',
        '--module',
        'nodenext',
        '--target',
        'es2023',
        '--skipLibCheck',
        '--jsx',
        'react-jsx',
      ];
      const types = ['--types', 'node', '--typeRoots', resolve('node_modules/@types')];
      return run(process.execPath, [tsc, ...options, ...types, ...files], inFolder).then(
        () => '',
        ({ stdout }) => stdout,
      );
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/**
 * A program that makes three calls of a tenant that has two.
 * @param imports beside `enforceLimits` and `limitDirectives`; @param connect an expression for the limits
 */
export const threeCalls = (imports: string, connect: string): string => `
  ${imports}
  import { enforceLimits, limitDirectives } from '@continuum-billing/limits';
  import { buildASTSchema, concatAST, graphql, parse } from 'graphql';
  const limits = await ${connect};
  const typeDefs = concatAST([limitDirectives, parse('type Query { lamp: Int @rateLimited }')]);
  const schema = enforceLimits(buildASTSchema(typeDefs), { limits });
  const answers = [];
  for (let i = 0; i < 3; i++) {
    answers.push(await graphql({ schema, source: '{ lamp }', rootValue: { lamp: 5 }, contextValue: { apiKey: process.env.KEY } }));
  }
  await limits.close();
  console.log(JSON.stringify(answers.map(({ data, errors }) => errors?.[0].extensions.code ?? data.lamp)));
`;
export const OUTCOME_OF_THREE_CALLS = [5, 5, 'RATE_LIMITED'];

/** `threeCalls` with decisions of the billing server. */
export const THREE_REMOTE_CALLS = threeCalls(
  "import { remoteLimits } from '@continuum-billing/limits';",
  'remoteLimits({ url: process.env.BILLING_URL, serviceKey: process.env.SERVICE_KEY, whenAway: "refuse" })',
);

/** A program that counts, charges, and hears of it. */
export const METERED_CALLS = `
  import { createBillingClient, isBillingError } from '@continuum-billing/client';
  const billing = createBillingClient({ url: process.env.BILLING_URL, apiKey: process.env.KEY });
  const meter = billing.meter();
  for (let i = 0; i < 3; i++) meter.record({ endpoint: 'lamp' });
  await meter.flush();
  const { allowed } = await billing.consume({ endpoint: 'lamp' });
  const code = await billing.tenants().catch((error) => isBillingError(error) && error.code);
  for await (const { apiCalls } of billing.live.usageChanged()) {
    console.log(JSON.stringify({ allowed, code, apiCalls }));
    break;
  }
`;
export const OUTCOME_OF_METERED_CALLS = { allowed: true, code: 'FORBIDDEN', apiCalls: 4 };

/** A program that renders a table of prices on a server. Needs react-dom. */
export const RENDER = `
  import { BillingProvider, PricingTable } from '@continuum-billing/react';
  import { createElement, version } from 'react';
  import { renderToString } from 'react-dom/server';
  import { existsSync } from 'node:fs';
  import { fileURLToPath } from 'node:url';
  const styles = existsSync(fileURLToPath(import.meta.resolve('@continuum-billing/react/styles.css')));
  const table = createElement(PricingTable);
  const html = renderToString(createElement(BillingProvider, { url: 'http://127.0.0.1:9', children: table }));
  console.log(JSON.stringify({ react: version.split('.')[0], styles, isLoading: html.includes('Loading') }));
`;
export const outcomeOfRender = (reactMajor: string) => ({ react: reactMajor, styles: true, isLoading: true });
