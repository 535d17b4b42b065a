import { access, chmod, constants, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/** The mode of directories: the data may contain secrets. */
const OWNER_ONLY = 0o700;

export interface MongodFiles {
  data: string;
  log: string;
  owner: string;
}

export function filesIn(dataDir: string): MongodFiles {
  // Absolute, because a second server, started elsewhere, looks for this path in the arguments of this mongod.
  const directory = resolve(dataDir);
  return {
    data: join(directory, 'mongo'),
    log: join(directory, 'mongod.log'),
    owner: join(directory, 'mongod.json'),
  };
}

/** The data directory cannot be created or written. */
export class UnusableDirectory extends Error {
  override name = 'UnusableDirectory';
}

/** Less than mongod writes in its first second. */
const NEEDED_BYTES = 2 ** 20;

/** @throws UnusableDirectory */
export async function prepareDirectory(dataDir: string): Promise<MongodFiles> {
  const files = filesIn(dataDir);
  try {
    await makeDirectory(files.data);
    // A copy that was restored may be readable by everyone. Some volumes have no modes.
    await chmod(files.data, OWNER_ONLY).catch(() => {});
    await access(files.data, constants.R_OK | constants.W_OK | constants.X_OK);
    await tryToWrite(dirname(files.data));
  } catch (error) {
    throw new UnusableDirectory(`${dirname(files.data)} cannot be written (${(error as Error).message})`);
  }
  return files;
}

/** On a full disk mongod could not even write down why it ends. */
async function tryToWrite(directory: string): Promise<void> {
  const file = join(directory, `room.${process.pid}.tmp`);
  try {
    await writeFile(file, Buffer.alloc(NEEDED_BYTES), { mode: 0o600 });
  } finally {
    await rm(file, { force: true });
  }
}

/** Unlike Node's own with `recursive`, this ends where a file system makes no directories, as in /proc. */
async function makeDirectory(directory: string): Promise<void> {
  const make = () => mkdir(directory, { mode: OWNER_ONLY });
  try {
    await make();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(directory)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(directory) === directory) throw error;
    await makeDirectory(dirname(directory));
    await make();
  }
}
