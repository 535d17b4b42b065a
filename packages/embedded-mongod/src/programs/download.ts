/**
 * What every download needs: a checksum before use, and progress for the person who waits.
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
      `checksum mismatch, the download was discarded (${algorithm} ${actual} instead of ${expected})`,
    );
  }
}

/**
 * Logs the progress of a long step every few seconds.
 * @param describe gets the seconds that have passed, and returns the line
 * @returns a function that ends the reports
 */
export function reportEvery(
  { program, log }: SourceContext,
  describe: (seconds: number) => string | Promise<string>,
): () => void {
  const startedAt = Date.now();
  const timer = setInterval(async () => {
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    log(`${program.title}: ${await describe(seconds)}`);
  }, REPORT_INTERVAL_MS);
  return () => clearInterval(timer);
}

/**
 * Logs the progress of a download every few seconds.
 * @param totalBytes the expected size; 0 when it is unknown
 * @param receivedBytes called for each report
 * @returns a function that ends the reports
 */
export function reportProgress(
  context: SourceContext,
  totalBytes: number,
  receivedBytes: () => number | Promise<number>,
): () => void {
  return reportEvery(context, async (seconds) => {
    const received = await receivedBytes();
    const share =
      totalBytes > 0
        ? ` of ${megabytes(totalBytes)} (${Math.min(100, Math.round((received / totalBytes) * 100))} %)`
        : '';
    return `downloading, ${megabytes(received)}${share}, ${seconds} s`;
  });
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
