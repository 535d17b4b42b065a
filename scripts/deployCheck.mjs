// Runs the linters for deploy/ that are installed. Plain JavaScript: it needs no build.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const HELP = `Checks the files in deploy/ with the linters that are installed, and says which are not.

  npm run deploy:check
  npm run deploy:check -- --help       this text

Exit code: 0 when every linter that is installed finds nothing; 1 when one finds something, or none is installed.
`;

const TIMEOUT_MS = 120_000;

/** @returns the problem, or null */
function run(command, args, input) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    input,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
  });
  return { ok: status === 0 && !error, stdout, problem: error?.message ?? `${stderr}${stdout}`.trim() };
}

/** The manifests as a cluster gets them. */
const manifests = () => run('kubectl', ['kustomize', 'deploy/kubernetes']);

/** Compose wants the .env that its reader makes out of the example. */
function composeConfig() {
  const directory = mkdtempSync(join(tmpdir(), 'continuum-compose-'));
  try {
    copyFileSync('deploy/compose.yaml', join(directory, 'compose.yaml'));
    copyFileSync('deploy/environment.example', join(directory, '.env'));
    return run('docker', ['compose', '-f', join(directory, 'compose.yaml'), 'config', '--quiet']);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** `needs`: commands on the path. `works`: what else a command needs. */
const CHECKS = [
  {
    name: 'docker build --check',
    needs: ['docker'],
    works: () => run('docker', ['info']).ok || 'the Docker daemon does not answer',
    check: () => run('docker', ['build', '--check', '-f', 'deploy/Dockerfile', '.']),
  },
  {
    name: 'docker compose config',
    needs: ['docker'],
    works: () => run('docker', ['compose', 'version']).ok || 'Docker has no compose plugin',
    check: composeConfig,
  },
  { name: 'hadolint', needs: ['hadolint'], check: () => run('hadolint', ['deploy/Dockerfile']) },
  { name: 'kubectl kustomize', needs: ['kubectl'], check: manifests },
  {
    name: 'kubeconform',
    needs: ['kubeconform', 'kubectl'],
    check: () => run('kubeconform', ['-strict', '-summary'], manifests().stdout),
  },
  {
    // Unlike kubeconform, it brings the schemas of Kubernetes with it.
    name: 'kubernetes-validate',
    needs: ['kubernetes-validate', 'kubectl'],
    check: () => run('kubernetes-validate', ['--strict', '-'], manifests().stdout),
  },
  {
    name: 'promtool check config',
    needs: ['promtool'],
    check: () => run('promtool', ['check', 'config', 'deploy/prometheus/prometheus.yml']),
  },
  {
    name: 'yamllint',
    needs: ['yamllint'],
    check: () =>
      run('yamllint', ['--strict', '-d', '{extends: relaxed, rules: {line-length: disable}}', 'deploy']),
  },
];

function isInstalled(command) {
  return (process.env.PATH ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function absenceOf({ needs, works }) {
  const missing = needs.find((command) => !isInstalled(command));
  if (missing) return `${missing} is not installed`;
  const state = works?.() ?? true;
  return state === true ? null : state;
}

const say = (state, name, text = '') =>
  process.stdout.write(`${state.padEnd(8)} ${name}${text && `: ${text}`}\n`);

function main() {
  const counts = { ok: 0, failed: 0 };
  for (const one of CHECKS) {
    const absence = absenceOf(one);
    if (absence) {
      say('skipped', one.name, absence);
      continue;
    }
    const { ok, problem } = one.check();
    counts[ok ? 'ok' : 'failed']++;
    say(ok ? 'ok' : 'failed', one.name, ok ? '' : `\n${problem}`);
  }
  if (counts.ok + counts.failed === 0)
    process.stdout.write('Nothing was checked: none of the linters is installed\n');
  process.exitCode = counts.failed > 0 || counts.ok === 0 ? 1 : 0;
}

if (process.argv.includes('--help')) process.stdout.write(HELP);
else main();
