// One command: billing in mock mode, and a service that asks it with the typed client. PORT (4000) and the next one are used; with
// PORT=0 any free ones. MONGODB_URI names a database of yours; else one is started, and thrown away at the end.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const here = import.meta.dirname;
const directory = mkdtempSync(join(tmpdir(), 'continuum-lamps-'));
const firstPort = Number(process.env.PORT ?? 4000);
const operatorKey = randomBytes(24).toString('base64url');
const children = [];

/** Starts a program. @returns where it listens */
function start(file, portOffset, env) {
  const PORT = String(firstPort && firstPort + portOffset);
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, LOG_LEVEL: 'info', ...env, PORT },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      const url = /Listening on (http:[^"\s]+)/.exec(line)?.[1];
      if (url) resolve(url);
      else if (portOffset > 0) console.log(line);
    });
    child.on('exit', (code) => {
      reject(new Error(`${file} ended with ${code}`));
      stop(code ?? 1);
    });
  });
}

let stopping = false;
/** Ends the service, then billing, and leaves nothing behind. */
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
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop(0));

async function run() {
  const billing = await start(join(here, '../../dist/src/main.js'), 0, {
    ADMIN_API_KEY: operatorKey,
    DATA_DIR: directory,
    NODE_ENV: 'development',
    STRIPE_MOCK_MODE: 'true',
  });
  const lamps = await start(join(here, 'lamps.ts'), 1, { BILLING_URL: billing, BILLING_KEY: operatorKey });
  console.log(`
  billing   ${billing}
  lamps     ${lamps}

  curl -X POST '${lamps}/signup?org=acme'
  curl -X POST '${lamps}/render?org=acme'    # the eleventh in a minute is rejected
  curl -X POST '${lamps}/upgrade?org=acme'   # open the page it names, pay, and render again
  curl -X POST '${lamps}/usage?org=acme'

  Ctrl-C ends it all.
`);
}

run().catch((error) => {
  console.error(error.message);
  stop(1);
});
