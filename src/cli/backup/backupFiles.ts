import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { z } from 'zod';

/**
 * A backup is a directory: a file for each collection with its documents, one after another as BSON, gzipped, and a
 * manifest. The manifest is written last, so a directory without one is not a backup.
 */

const MANIFEST_FILE = 'manifest.json';
const FORMAT = 1;
/** It contains personal data and secrets. */
const OWNER_ONLY = 0o600;
const CHUNK_BYTES = 262_144;
/** A document of MongoDB's maximum size, with what the server may add to it. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024 + 16_384;
const MIN_DOCUMENT_BYTES = 5;

const plainObject = z.record(z.string(), z.unknown());
/** The collection of the servers that run now; none of them runs on a restored database. */
export const RUNNING_SERVERS = 'server_instances';

const collectionSchema = z.object({
  name: z.string().min(1).max(255),
  /** A plain name: it is joined to the directory. */
  file: z.string().regex(/^[\w.-]{1,255}\.bson\.gz$/),
  documents: z.int().min(0),
  sha256: z.string().length(64),
  /** As `createCollection` takes them. */
  options: plainObject,
  /** As `createIndexes` takes them. */
  indexes: z.array(plainObject),
});
const contentSchema = z.object({
  format: z.int(),
  /** The version of the server whose code made the backup. */
  version: z.string(),
  /** All documents are as they were then, by the database's clock. */
  takenAt: z.iso.datetime(),
  collections: z.array(collectionSchema),
});
const manifestSchema = contentSchema.extend({
  /** Of the content. */
  sha256: z.string().length(64),
});

export type BackedUpCollection = z.infer<typeof collectionSchema>;
export type Manifest = Omit<z.infer<typeof contentSchema>, 'format'>;

/** The schema puts the keys in one order. Inside of options and indexes they stay as they are. */
const digestOf = (content: z.infer<typeof contentSchema>): string =>
  createHash('sha256')
    .update(JSON.stringify(contentSchema.parse(content)))
    .digest('hex');

export async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  const { version, takenAt, collections } = manifest;
  const content = { format: FORMAT, version, takenAt, collections };
  const text = JSON.stringify({ ...content, sha256: digestOf(content) }, null, 2);
  await writeFile(join(directory, MANIFEST_FILE), `${text}\n`, { mode: OWNER_ONLY, flush: true });
}

/** @throws Error if the directory has no backup, a damaged one, or one of a later version */
export async function readManifest(directory: string): Promise<Manifest> {
  const path = join(directory, MANIFEST_FILE);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      error.code === 'ENOENT'
        ? `${directory} is not a complete backup: it has no ${MANIFEST_FILE}`
        : error.message,
    );
  });
  const parsed = manifestSchema.safeParse(parseJson(text));
  if (!parsed.success) throw new Error(`${path} is damaged`);
  const { format, version, takenAt, collections, sha256 } = parsed.data;
  if (format > FORMAT)
    throw new Error(`${directory} was made by a later version (${version}). Use that version or a later one`);
  if (digestOf({ format, version, takenAt, collections }) !== sha256) throw new Error(`${path} is damaged`);
  return { version, takenAt, collections };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Writes documents to a file, and waits until they are on disk.
 * @returns how many there were, and the checksum of the file
 */
export async function writeDocuments(
  path: string,
  documents: AsyncIterable<Uint8Array>,
): Promise<{ documents: number; sha256: string }> {
  const hash = createHash('sha256');
  let count = 0;
  async function* chunks() {
    let waiting: Uint8Array[] = [];
    let bytes = 0;
    for await (const document of documents) {
      count++;
      waiting.push(document);
      bytes += document.length;
      if (bytes < CHUNK_BYTES) continue;
      yield Buffer.concat(waiting);
      waiting = [];
      bytes = 0;
    }
    yield Buffer.concat(waiting);
  }
  await pipeline(
    chunks,
    createGzip(),
    hashedBy(hash),
    createWriteStream(path, { mode: OWNER_ONLY, flush: true }),
  );
  return { documents: count, sha256: hash.digest('hex') };
}

function hashedBy(hash: { update(chunk: Buffer): unknown }): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
}

/** @yields the documents of a file, as BSON */
export async function* readDocuments(path: string): AsyncIterable<Buffer> {
  const source = createReadStream(path);
  const unpacked = source.pipe(createGunzip());
  source.once('error', (error) => unpacked.destroy(error));
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of unpacked as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= 4) {
      const length = rest.readInt32LE(at);
      if (length < MIN_DOCUMENT_BYTES || length > MAX_DOCUMENT_BYTES) throw new Error(`${path} is damaged`);
      if (rest.length - at < length) break;
      yield rest.subarray(at, at + length);
      at += length;
    }
    rest = rest.subarray(at);
  }
  if (rest.length > 0) throw new Error(`${path} is damaged`);
}

/**
 * Reads every file once.
 * @param checked called after each collection
 * @throws Error that names a file that is missing or differs from what was written
 */
export async function verifyFiles(
  directory: string,
  { collections }: Manifest,
  checked: (collection: BackedUpCollection) => void = () => undefined,
): Promise<void> {
  for (const collection of collections) {
    const path = join(directory, collection.file);
    const hash = createHash('sha256');
    try {
      for await (const chunk of createReadStream(path)) hash.update(chunk);
    } catch (error) {
      throw new Error(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
    }
    if (hash.digest('hex') !== collection.sha256)
      throw new Error(`${path} is damaged: it is not the file that was written`);
    checked(collection);
  }
}
