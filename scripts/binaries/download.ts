/**
 * What every download needs: a checksum before use, and a sign of life for the person who waits.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { SourceContext } from './source.js';

const REPORT_INTERVAL_MS = 3_000;

/** @throws when the file's checksum (hexadecimal) is not the expected one */
export async function checkSum(file: string, algorithm: 'sha256' | 'md5', expected: string): Promise<void> {
  const hash = createHash(algorithm);
  await pipeline(createReadStream(file), hash);
  const actual = hash.digest('hex');
  if (actual !== expected) {
    throw new Error(
      `checksum mismatch, the download is refused (${algorithm} ${actual} instead of ${expected})`,
    );
  }
}

/**
 * Says every few seconds how far a download is.
 * @param totalBytes the expected size; 0 when it is unknown
 * @param receivedBytes asked each time
 * @returns call it to end the reports
 */
export function reportProgress(
  { program, log }: SourceContext,
  totalBytes: number,
  receivedBytes: () => number | Promise<number>,
): () => void {
  const startedAt = Date.now();
  const timer = setInterval(async () => {
    const received = await receivedBytes();
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    const share =
      totalBytes > 0
        ? ` of ${megabytes(totalBytes)} (${Math.min(100, Math.round((received / totalBytes) * 100))} %)`
        : '';
    log(`${program.title}: downloading, ${megabytes(received)}${share}, ${seconds} s`);
  }, REPORT_INTERVAL_MS);
  return () => clearInterval(timer);
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
