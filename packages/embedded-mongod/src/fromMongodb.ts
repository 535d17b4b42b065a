/**
 * mongod from MongoDB's own site. mongodb-memory-server knows which archive fits which system and how to unpack it;
 * the transfer is ours, because its own does not verify TLS certificates by default and cannot be interrupted.
 * MONGOMS_DOWNLOAD_MIRROR, its setting for another host, works here too.
 */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { keep, withIncoming } from './binaries/cache.js';
import { checkSum, megabytes, reportProgress } from './binaries/download.js';
import { checkVersion } from './binaries/executable.js';
import type { SourceContext } from './binaries/source.js';

export const MONGODB_VERSION = '7.0.18';

/** A closed network must not delay the start: the next source may well work. */
const PROBE_TIMEOUT_MS = 4_000;
const DOWNLOAD_TIMEOUT_MS = 10 * 60 * 1000;
const STALL_TIMEOUT_MS = 30_000;
/** Best first. TLS vouches for where the archive comes from; the checksum for its having arrived whole. */
const CHECKSUMS = ['sha256', 'md5'] as const;

/** @throws when the site cannot be reached, has nothing for this system, or the archive is damaged */
export async function fromMongodb(context: SourceContext): Promise<string> {
  const { program, cacheDir, log } = context;
  const url = await archiveUrl();
  await probe(url);
  return withIncoming(cacheDir, async (directory) => {
    const archive = join(directory, 'mongodb.tgz');
    await download(url, archive, context);
    await verify(url, archive);
    log('MongoDB: checksum ok, unpacking');
    const binary = join(directory, 'mongod');
    await extract(archive, binary, directory);
    await checkVersion(binary, program);
    return keep(binary, context, MONGODB_VERSION);
  });
}

// Both imports are lazy: on most starts nothing is downloaded, and the library takes a tenth of a second to load.
async function archiveUrl(): Promise<string> {
  const { MongoBinaryDownloadUrl } = await import(
    'mongodb-memory-server-core/lib/util/MongoBinaryDownloadUrl.js'
  );
  const { getOS } = await import('mongodb-memory-server-core/lib/util/getos/index.js');
  const { platform, arch } = process;
  return new MongoBinaryDownloadUrl({
    version: MONGODB_VERSION,
    platform,
    arch,
    os: await getOS(),
  }).getDownloadUrl();
}

async function extract(archive: string, target: string, directory: string): Promise<void> {
  const { MongoBinaryDownload } = await import('mongodb-memory-server-core/lib/util/MongoBinaryDownload.js');
  const downloader = new MongoBinaryDownload({ downloadDir: directory, version: MONGODB_VERSION });
  const unpacked = await downloader.extractTarGz(archive, target, (name) => name.endsWith('bin/mongod'));
  if (unpacked === undefined) throw new Error('the archive holds no mongod');
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
  throw new Error(`${url} has no checksum beside it`);
}

/** fetch says only "fetch failed"; a person needs to know that it was the name, the connection or the time. */
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
