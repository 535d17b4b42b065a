/**
 * mongod from MongoDB's own site. MONGOMS_DOWNLOAD_MIRROR, which mongodb-memory-server made known, names another host.
 */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { archiveUrl, MONGODB_VERSION, thisMachine } from './mongodbArchives.js';
import { keep, withIncoming } from './programs/cache.js';
import { lastLines, runCommand } from './programs/command.js';
import { checkSum, megabytes, reportProgress } from './programs/download.js';
import { checkVersion } from './programs/executable.js';
import type { SourceContext } from './programs/source.js';

/** A closed network must not delay the start: the next source may well work. */
const PROBE_TIMEOUT_MS = 4_000;
const DOWNLOAD_TIMEOUT_MS = 10 * 60 * 1000;
const STALL_TIMEOUT_MS = 30_000;
const UNPACK_TIMEOUT_MS = 2 * 60 * 1000;
/** Best first. TLS proves where the archive comes from; the checksum proves that it arrived whole. */
const CHECKSUMS = ['sha256', 'md5'] as const;

/** @throws when the site cannot be reached, has nothing for this system, or the archive is damaged */
export async function fromMongodb(context: SourceContext): Promise<string> {
  const { program, cacheDir, log, env } = context;
  const url = archiveUrl(await thisMachine(), env.MONGOMS_DOWNLOAD_MIRROR || undefined);
  await probe(url);
  return withIncoming(cacheDir, async (directory) => {
    const archive = join(directory, 'mongodb.tgz');
    await download(url, archive, context);
    await verify(url, archive);
    log('MongoDB: checksum ok, unpacking');
    await unpack(archive, directory);
    const binary = join(directory, 'bin', 'mongod');
    await checkVersion(binary, program);
    return keep(binary, context, MONGODB_VERSION);
  });
}

/** Every system that has a build has tar. The archive's one top directory is left out, because its name varies. */
async function unpack(archive: string, directory: string): Promise<void> {
  const options = ['-xzf', archive, '-C', directory, '--strip-components=1'];
  const { code, output } = await runCommand('tar', options, process.env, UNPACK_TIMEOUT_MS);
  if (code !== 0) throw new Error(`tar failed: ${lastLines(output)}`);
}

async function probe(url: string): Promise<void> {
  const response = await request(url, 'HEAD', AbortSignal.timeout(PROBE_TIMEOUT_MS));
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
}

async function download(url: string, file: string, context: SourceContext): Promise<void> {
  const stall = new AbortController();
  const stallTimer = setTimeout(
    () => stall.abort(new Error(`${url} sent nothing for ${STALL_TIMEOUT_MS / 1000} s`)),
    STALL_TIMEOUT_MS,
  );
  let receivedBytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      stallTimer.refresh();
      receivedBytes += chunk.length;
      done(null, chunk);
    },
  });
  let stopReport = () => {};
  try {
    const signal = AbortSignal.any([stall.signal, AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS)]);
    const response = await request(url, 'GET', signal);
    if (!response.ok || !response.body) throw new Error(`${url} answers ${response.status}`);
    const totalBytes = Number(response.headers.get('content-length') ?? 0);
    context.log(`MongoDB: downloading ${url}${totalBytes > 0 ? ` (${megabytes(totalBytes)})` : ''}`);
    stopReport = reportProgress(context, totalBytes, () => receivedBytes);
    await pipeline(Readable.fromWeb(response.body), count, createWriteStream(file));
  } finally {
    clearTimeout(stallTimer);
    stopReport();
  }
}

async function verify(url: string, archive: string): Promise<void> {
  for (const algorithm of CHECKSUMS) {
    const response = await request(`${url}.${algorithm}`, 'GET', AbortSignal.timeout(PROBE_TIMEOUT_MS));
    if (!response.ok) continue;
    const [expected] = (await response.text()).trim().split(/\s+/);
    return checkSum(archive, algorithm, expected ?? '');
  }
  throw new Error(`${url} has no checksum file`);
}

/** fetch reports only "fetch failed"; its cause says whether the name, the connection or the time limit was to blame. */
async function request(url: string, method: 'GET' | 'HEAD', signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { method, signal });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new Error(
      `${new URL(url).host} cannot be reached (${cause instanceof Error ? cause.message : cause})`,
      {
        cause: error,
      },
    );
  }
}
