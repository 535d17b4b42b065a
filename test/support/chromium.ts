/**
 * A Chromium for tests and screenshots: the one that CHROMIUM_PATH names, else the one inside the npm package
 * @sparticuz/chromium, unpacked once into the cache, else (not on Linux x64) the Chrome that is installed.
 */
import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { userCacheDir } from '@continuum-billing/embedded-mongod';
import { type Browser, chromium, type LaunchOptions } from 'playwright-core';

const run = promisify(execFile);
const UNPACK_MS = 120_000;
const FONTS_FILE = 'fonts.conf';
/** Raise it when `fontsFile` changes, because the file is written once. */
const FONTS_REVISION = 2;

/** Tests may not depend on the network, so only this machine can be reached. */
const ARGUMENTS = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-gpu',
  '--disable-quic',
  '--disable-sync',
  '--font-render-hinting=none',
  '--no-first-run',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];

/**
 * Starts a headless Chromium. It also runs as root, because its pages come from this machine alone.
 * @throws one error that says what a person can do
 */
export async function launchChromium(): Promise<Browser> {
  return chromium.launch({ headless: true, args: ARGUMENTS, ...(await installed()) });
}

async function installed(): Promise<LaunchOptions> {
  const { CHROMIUM_PATH } = process.env;
  if (CHROMIUM_PATH) return { executablePath: CHROMIUM_PATH };
  if (process.platform !== 'linux' || process.arch !== 'x64') return { channel: 'chrome' };
  const directory = await unpacked();
  const executablePath = join(directory, 'chromium');
  const env = { ...definedEnvironment(), FONTCONFIG_FILE: join(directory, FONTS_FILE) };
  const withLibraries = { ...env, LD_LIBRARY_PATH: join(directory, 'al2023', 'lib') };
  for (const candidate of [env, withLibraries])
    if (await starts(executablePath, candidate)) return { executablePath, env: candidate };
  throw new Error(
    `${executablePath} does not start: install the libraries that \`ldd\` says are missing (on Debian: libnss3), or set ` +
      'CHROMIUM_PATH to a Chromium or Chrome that is installed',
  );
}

const definedEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );

const starts = (path: string, env: Record<string, string>): Promise<boolean> =>
  run(path, ['--version'], { env }).then(
    () => true,
    () => false,
  );

/** Pages look the same on every machine: text is in the package's own font, where they ask for no other. */
function fontsFile(directory: string): string {
  const alias = (family: string, font: string) =>
    `<alias binding="same"><family>${family}</family><prefer><family>${font}</family></prefer></alias>`;
  const aliases = [
    ...['system-ui', 'sans-serif', 'Inter', 'Segoe UI', 'Roboto', 'Helvetica Neue', 'Arial'].map((family) =>
      alias(family, 'Open Sans'),
    ),
    ...['monospace', 'ui-monospace', 'Menlo', 'Consolas'].map((family) => alias(family, 'DejaVu Sans Mono')),
  ];
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<dir>${directory}/fonts</dir>
<dir>/usr/share/fonts</dir>
<cachedir>${directory}/fonts-cache</cachedir>
${aliases.join('\n')}
</fontconfig>
`;
}

/**
 * The package unpacks into the temporary directory and takes any file there for a whole one. Processes run side by side,
 * so each unpacks into a directory of its own, and the first to finish puts it in place.
 * @returns a directory with `chromium`, `fonts` and, for machines without them, libraries in `al2023`
 */
async function unpacked(): Promise<string> {
  const entry = createRequire(import.meta.url).resolve('@sparticuz/chromium');
  const { version } = JSON.parse(await readFile(join(dirname(entry), '..', 'package.json'), 'utf8'));
  const cacheDir = userCacheDir('continuum-billing');
  const target = join(cacheDir, `chromium-${version}-${FONTS_REVISION}`);
  if (await exists(target)) return target;
  await mkdir(cacheDir, { recursive: true });
  const partial = await mkdtemp(join(cacheDir, '.chromium-'));
  try {
    const script = `import chromium from ${JSON.stringify(pathToFileURL(entry).href)}; await chromium.executablePath();`;
    await run(process.execPath, ['--input-type=module', '--eval', script], {
      // With this runtime's name the package unpacks its libraries too.
      env: { ...process.env, TMPDIR: partial, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs22.x' },
      timeout: UNPACK_MS,
    });
    await writeFile(join(partial, FONTS_FILE), fontsFile(target));
    await rename(partial, target).catch(async (error: unknown) => {
      if (!(await exists(target))) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return target;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
