import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { withDatabase } from '@continuum-billing/embedded-mongod';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { copyProject } from '../support/projectCopy.js';

// The steps of deploy/Dockerfile without Docker: the same commands on the same files, in directories instead of layers.

const run = promisify(execFile);
const BUILD_MS = 600_000;
const START_MS = 60_000;

/** The stage that builds, and what the image has of it. */
let build: string;
let image: string;
let dockerfile: string;
let env: Record<string, string>;

const stepsOf = (stage: string, instruction: string): string[] =>
  stage
    .split('\n')
    .filter((line) => line.startsWith(`${instruction} `))
    .map((line) => line.slice(instruction.length + 1));
const jsonAfter = (text: string): string[] => JSON.parse(text.slice(text.indexOf('['))) as string[];

beforeAll(async () => {
  dockerfile = (await readFile('deploy/Dockerfile', 'utf8')).replaceAll('\\\n', '');
  const [, first = '', second = ''] = dockerfile.split(/^FROM /m);
  build = await copyProject();
  image = await mkdtemp(join(tmpdir(), 'continuum-image-'));
  const path = (process.env.PATH ?? '').split(delimiter).filter((entry) => !entry.includes('node_modules'));
  env = { PATH: path.join(delimiter), HOME: process.env.HOME ?? '' };
  for (const command of stepsOf(first, 'RUN')) await run('sh', ['-c', command], { cwd: build, env });
  for (const step of stepsOf(second, 'COPY')) {
    const [from, ...paths] = step.split(' ');
    expect(from).toBe('--from=build');
    const target = join(image, paths.pop() as string);
    const sources = paths.map((source) => source.replace(/^\/app/, build));
    await mkdir(sources.length > 1 ? target : join(target, '..'), { recursive: true });
    await run('cp', ['-a', ...sources, target]);
  }
}, BUILD_MS);
afterAll(async () => {
  const made = [build, image, `${image}.started`];
  await Promise.all(made.map((path) => path && rm(path, { recursive: true, force: true })));
});

it(
  'the image starts, is healthy, has its pages, writes nothing, and stops in order',
  async () => {
    const MONGODB_URI = withDatabase(inject('mongodbUri'), `image-${process.pid}`);
    const settings = {
      MONGODB_URI,
      NODE_ENV: 'production',
      PORT: '0',
      HOST: '127.0.0.1',
      STRIPE_MOCK_MODE: 'true',
      ADMIN_API_KEY: 'image-operator-key-of-a-test-00000000000',
    };
    const [, ...flags] = jsonAfter(stepsOf(dockerfile, 'CMD').at(-1) as string);
    await writeFile(`${image}.started`, '');
    const server = spawn(process.execPath, flags, {
      cwd: image,
      env: { ...env, ...settings },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(server, 'exit');
    let url: string | undefined;
    for await (const line of createInterface(server.stdout)) {
      url = /Server listening at (http:\/\/[^"]+)/.exec(line)?.[1];
      if (url) break;
    }
    expect(url, 'the server ended before it listened').toBeDefined();
    server.stdout.resume();
    const [, ...check] = jsonAfter(stepsOf(dockerfile, 'HEALTHCHECK').at(-1) as string);
    const port = new URL(url as string).port;
    await run(process.execPath, check, { env: { ...env, PORT: port } });
    await expect(run(process.execPath, check, { env: { ...env, PORT: '1' } })).rejects.toThrow();
    for (const page of ['/admin', '/upgrade']) expect((await fetch(`${url}${page}`)).status).toBe(200);
    const { stdout } = await run(
      process.execPath,
      ['bin/continuum-billing.mjs', 'tenant', 'list', '--json'],
      { cwd: image, env: { ...env, ...settings, CONTINUUM_URL: url as string } },
    );
    expect(JSON.parse(stdout)).toBeTypeOf('object');
    server.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect((await run('find', [image, '-newer', `${image}.started`])).stdout).toBe('');
  },
  START_MS,
);
