// What the examples share: a billing server in mock mode, their own programs beside it, and an end that leaves nothing behind. PORT
// (4000) is the billing server's, and the programs take the ports after it; with PORT=0 all take free ones. MONGODB_URI names a
// database of yours; without it one is started in a temporary directory.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const SERVER = join(import.meta.dirname, '../../dist/src/main.js');

/**
 * @typedef {object} Example
 * @property {string} directory temporary, deleted at the end
 * @property {string} operatorKey the key of billing's operator
 * @property {(env?: Record<string, string>) => Promise<string>} startBilling starts the billing server. Returns its URL
 * @property {(file: string, env?: Record<string, string>) => Promise<string>} start starts a program of Node on the next port, which
 *   it gets as PORT. It must print `Listening on http…`; what it prints afterwards is shown. Returns the URL
 * @property {(document: string, variables?: object) => Promise<any>} operate sends a document to billing, as its operator. Returns the data
 */

/**
 * Runs an example until it is interrupted, or until one of its programs ends. They are stopped one by one, the last first, because each
 * may still need those before it.
 * @param {(example: Example) => Promise<string>} run starts everything, and returns what a person should read then
 */
export function runExample(run) {
  const example = createExample();
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => example.stop(0));
  run(example).then(
    (text) => console.log(`\n${text.trim().replace(/^/gm, '  ')}\n\n  Ctrl-C ends it all.\n`),
    (error) => {
      console.error(error.message);
      example.stop(1);
    },
  );
}

function createExample() {
  const directory = mkdtempSync(join(tmpdir(), 'continuum-example-'));
  const operatorKey = randomBytes(24).toString('base64url');
  const firstPort = Number(process.env.PORT ?? 4000);
  const children = [];
  let nextOffset = 1;
  let billing = '';
  let stopping = false;

  function startProgram(file, offset, env) {
    const PORT = String(firstPort && firstPort + offset);
    const child = spawn(process.execPath, [file], {
      env: { ...process.env, ...env, PORT },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    return new Promise((resolve, reject) => {
      createInterface(child.stdout).on('line', (line) => {
        const url = /Listening on (http:[^"\s]+)/.exec(line)?.[1];
        if (url) resolve(url);
        else if (offset > 0) console.log(line);
      });
      child.on('exit', (code) => {
        reject(new Error(`${file} ended with ${code}`));
        stop(code ?? 1);
      });
    });
  }

  async function stop(code) {
    if (stopping) return;
    stopping = true;
    for (const child of children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(directory, { recursive: true, force: true });
    process.exit(code);
  }

  return {
    directory,
    operatorKey,
    stop,
    start: (file, env = {}) => startProgram(file, nextOffset++, env),
    async startBilling(env = {}) {
      const settings = { NODE_ENV: 'development', STRIPE_MOCK_MODE: 'true', LOG_LEVEL: 'info', ...env };
      billing = await startProgram(SERVER, 0, {
        DATA_DIR: directory,
        ADMIN_API_KEY: operatorKey,
        ...settings,
      });
      return billing;
    },
    async operate(query, variables = {}) {
      const response = await fetch(`${billing}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': operatorKey },
        body: JSON.stringify({ query, variables }),
      });
      const { data, errors } = await response.json();
      if (errors) throw new Error(errors[0].message);
      return data;
    },
  };
}
