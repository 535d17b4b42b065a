/**
 * Which processes use a data directory, and on which port: one small JSON file beside the data.
 *
 * mongod's own lock keeps two of them apart. This file only turns "locked" into an error that a person can act on, and
 * distinguishes a live owner (fail at once) from one that was killed (its MongoDB is shutting down, so wait).
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
    // A missing or damaged file loses only the previous port; mongod's lock still protects the data.
    return undefined;
  }
}

/** Replaces the file in one step, so that no reader sees half of it. */
export async function writeOwner(file: string, owner: Owner): Promise<void> {
  const partial = `${file}.${process.pid}.tmp`;
  // There is no access control: anyone who knows the port can read everything.
  await writeFile(partial, `${JSON.stringify(owner)}\n`, { mode: 0o600 });
  await rename(partial, file);
}

/** A pid alone proves nothing (pids are reused, above all in containers): the process must be a mongod on `dbPath`. */
export async function ownerState(owner: Owner | undefined, dbPath: string): Promise<OwnerState> {
  if (!owner) return { kind: 'none' };
  const mongod = await commandLine(owner.mongodPid);
  if (!mongod?.includes(` ${dbPath} `)) return { kind: 'none' };
  const server = await commandLine(owner.serverPid);
  return server ? { kind: 'live', owner } : { kind: 'leaving', mongodPid: owner.mongodPid };
}

/** @returns the arguments of a running process, each followed by a space; undefined if it has ended or is a zombie */
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
