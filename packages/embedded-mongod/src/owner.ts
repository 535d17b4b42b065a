/**
 * Who works on a data directory, and on which port: one small JSON file beside the data.
 *
 * mongod's own lock is what keeps two of them apart. This file only turns "locked" into something a person can act
 * on, and tells a live owner (refuse at once) from one that was killed (its MongoDB is on its way out: wait).
 */
import { execFile } from 'node:child_process';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

export interface Owner {
  /** The port is kept between starts, because the replica set's configuration contains it. */
  port: number;
  mongodPid: number;
  serverPid: number;
}

export type OwnerState =
  | { kind: 'none' }
  | { kind: 'leaving'; mongodPid: number }
  | { kind: 'live'; owner: Owner };

/** @returns the recorded owner, or undefined when there is none or the file is damaged. */
export async function readOwner(file: string): Promise<Owner | undefined> {
  try {
    const { port, mongodPid, serverPid } = JSON.parse(await readFile(file, 'utf8'));
    return [port, mongodPid, serverPid].every(Number.isInteger) ? { port, mongodPid, serverPid } : undefined;
  } catch {
    // A file that is gone or damaged costs only the kept port; mongod's lock still protects the data.
    return undefined;
  }
}

/** Replaces the file in one step, so that no reader ever sees half of it. */
export async function writeOwner(file: string, owner: Owner): Promise<void> {
  const partial = `${file}.${process.pid}.tmp`;
  // There is no access control: whoever knows the port may read everything.
  await writeFile(partial, `${JSON.stringify(owner)}\n`, { mode: 0o600 });
  await rename(partial, file);
}

/** Pids alone prove nothing (they are reused, above all in containers): the process must be a mongod on `dbPath`. */
export async function ownerState(owner: Owner | undefined, dbPath: string): Promise<OwnerState> {
  if (!owner) return { kind: 'none' };
  const mongod = await commandLine(owner.mongodPid);
  if (!mongod?.includes(` ${dbPath} `)) return { kind: 'none' };
  const server = await commandLine(owner.serverPid);
  return server ? { kind: 'live', owner } : { kind: 'leaving', mongodPid: owner.mongodPid };
}

/** @returns the arguments of a running process, each followed by a space; undefined for one that has ended, a zombie included. */
async function commandLine(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const raw = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return raw === '' ? undefined : raw.replaceAll('\0', ' ');
  }
  const { stdout } = await promisify(execFile)('ps', ['-o', 'args=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return stdout.trim() === '' ? undefined : `${stdout.trim()} `;
}
