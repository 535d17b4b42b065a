// Rebuilds and restarts on change. Plain JavaScript, since it runs before the first build.
import { spawn, spawnSync } from 'node:child_process';

const HELP = `Builds, starts the server, and does both again whenever a source file changes. The dashboard has a server of
its own (Vite), which shows each change at once and passes everything else on to the server.

  npm run dev             the server is configured as for npm start, and outgoing webhooks may reach this machine
                          (WEBHOOK_ALLOWED_NETWORKS=127.0.0.0/8,::1/128 unless it is set)
  npm run dev -- --help   this text

Ctrl-C stops it.
`;

if (process.argv.includes('--help')) {
  process.stdout.write(HELP);
  process.exit(0);
}

process.env.WEBHOOK_ALLOWED_NETWORKS ??= '127.0.0.0/8,::1/128';

const tsc = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'];
const first = spawnSync(process.execPath, tsc, { stdio: 'inherit' });
if (first.status !== 0)
  process.stderr.write('The build has errors; it is tried again when a file changes.\n');

const children = [
  spawn(process.execPath, [...tsc, '--watch', '--preserveWatchOutput'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  }),
  spawn(
    process.execPath,
    ['--watch', '--watch-preserve-output', '--enable-source-maps', 'dist/src/main.js'],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  ),
  spawn(process.execPath, ['node_modules/vite/bin/vite.js', 'dashboard', '--logLevel', 'warn'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  }),
];
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    stopping = true;
    for (const child of children) child.kill('SIGTERM');
  });
}
for (const child of children) {
  child.on('exit', (code) => {
    if (!stopping) for (const other of children) other.kill('SIGTERM');
    process.exitCode ||= stopping ? 0 : (code ?? 1);
  });
}
