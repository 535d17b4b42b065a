// Builds the pages when their sources changed. Plain JavaScript, since a production install has no Vite to import.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const HELP = `Builds the dashboard and the pages for customers into dashboard/dist. Part of npm run build and npm start.

  node scripts/buildDashboard.mjs           build if a source, a library or the schema changed
  node scripts/buildDashboard.mjs --force   build in any case
  node scripts/buildDashboard.mjs --size    print the kilobytes of gzipped JavaScript that each page loads first
`;

const ROOT = join(import.meta.dirname, '..');
const DASHBOARD = join(ROOT, 'dashboard');
/** What the pages are built from: their own sources, and those of the parts that they are made of. */
const SOURCES = ['dashboard/src', 'packages/client/src', 'packages/react/src'].map((path) =>
  join(ROOT, path),
);
const STYLES = join(ROOT, 'packages/react/styles.css');
const DIST = join(DASHBOARD, 'dist');
const STAMP = join(DIST, '.stamp');
/** A server may be reading the pages that are there, so new ones are built beside them and then take their place. */
const NEXT = join(ROOT, `dist/dashboard-next-${process.pid}`);
const PREVIOUS = join(ROOT, `dist/dashboard-previous-${process.pid}`);
const MAX_FIRST_LOAD_KB = 250;
const MIN_COMPRESSED_BYTES = 1_024;
/** The highest levels take seconds for a few per cent. */
const BROTLI_QUALITY = 9;

/** What is loaded before the first page is complete. The overview is loaded lazily, but always by /admin. */
const FIRST_LOADS = {
  admin: ['admin.html', 'src/admin/overview/index.tsx'],
  customer: ['customer.html'],
};

/** A hash of all that the built files follow from. */
function sourcesDigest() {
  const hash = createHash('sha256');
  // Node 20, on which a production install may run, has no globSync.
  const own = [DASHBOARD, ...SOURCES]
    .flatMap((folder) =>
      readdirSync(folder, { recursive: folder !== DASHBOARD }).map((name) => join(folder, name)),
    )
    .concat(STYLES)
    .filter((file) => !file.endsWith('.md') && statSync(file).isFile())
    .sort();
  for (const file of [...own, join(ROOT, 'package-lock.json'), import.meta.filename]) {
    hash.update(file.slice(ROOT.length)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

/** @returns Vite as the dashboard resolves it; null if development dependencies are not installed */
async function loadVite() {
  try {
    const path = createRequire(join(DASHBOARD, 'package.json')).resolve('vite');
    return await import(pathToFileURL(path).href);
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND') return null;
    throw error;
  }
}

function firstLoadsKb() {
  const manifest = JSON.parse(readFileSync(join(DIST, '.vite/manifest.json'), 'utf8'));
  return Object.fromEntries(
    Object.entries(FIRST_LOADS).map(([page, roots]) => {
      const files = new Set();
      const follow = (key) => {
        const chunk = manifest[key];
        if (!chunk) throw new Error(`The build has no ${key}`);
        if (files.has(chunk.file)) return;
        files.add(chunk.file);
        for (const imported of chunk.imports ?? []) follow(imported);
      };
      for (const root of roots) follow(root);
      const bytes = [...files].reduce(
        (sum, file) => sum + gzipSync(readFileSync(join(DIST, file))).length,
        0,
      );
      return [page, Math.round(bytes / 100) / 10];
    }),
  );
}

/** The server sends a compressed copy to clients that accept one. */
function compressAssets() {
  const assets = join(NEXT, 'assets');
  for (const name of readdirSync(assets).filter((file) => /\.(js|css|svg)$/.test(file))) {
    const content = readFileSync(join(assets, name));
    if (content.length < MIN_COMPRESSED_BYTES) continue;
    const params = { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY };
    writeFileSync(join(assets, `${name}.br`), brotliCompressSync(content, { params }));
    writeFileSync(join(assets, `${name}.gz`), gzipSync(content));
  }
}

function takeTheirPlace() {
  if (existsSync(DIST)) renameSync(DIST, PREVIOUS);
  renameSync(NEXT, DIST);
  rmSync(PREVIOUS, { recursive: true, force: true });
}

async function build() {
  // A published package has only what was built.
  if (!existsSync(join(DASHBOARD, 'src'))) return;
  const digest = sourcesDigest();
  const force = process.argv.includes('--force');
  if (!force && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === digest) return;
  const vite = await loadVite();
  if (!vite) {
    const state = existsSync(join(DIST, 'admin.html')) ? 'built from other sources' : 'not built';
    process.stdout.write(
      `The dashboard is ${state}: Vite is a development dependency and not installed. ` +
        'The API works without it; npm ci --include=dev && npm run build makes it.\n',
    );
    return;
  }
  const startedAt = performance.now();
  try {
    // What vitest or a shell has set would otherwise decide whether React is built for development.
    process.env.NODE_ENV = 'production';
    mkdirSync(join(ROOT, 'dist'), { recursive: true });
    await vite.build({
      configFile: join(DASHBOARD, 'vite.config.ts'),
      logLevel: 'warn',
      build: { outDir: NEXT, emptyOutDir: true },
    });
    compressAssets();
    writeFileSync(join(NEXT, '.stamp'), digest);
    takeTheirPlace();
  } catch (error) {
    rmSync(NEXT, { recursive: true, force: true });
    process.stderr.write(`The dashboard cannot be built: ${error.message}\n`);
    process.exit(1);
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const { admin, customer } = firstLoadsKb();
  process.stdout.write(
    `Dashboard built in ${seconds} s. First load, gzipped JavaScript: /admin ${admin} kB, /billing ${customer} kB ` +
      `(at most ${MAX_FIRST_LOAD_KB} kB)\n`,
  );
}

if (process.argv.includes('--help')) process.stdout.write(HELP);
else if (process.argv.includes('--size')) process.stdout.write(`${JSON.stringify(firstLoadsKb())}\n`);
else await build();
