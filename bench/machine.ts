import { cpus, release, totalmem, type } from 'node:os';

/** What the figures were measured on; nothing that names the host. */
export function describeMachine(mongodVersion: string): string {
  const all = cpus();
  const model = all[0]?.model.trim() ?? 'unknown processor';
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return `${all.length} cores of ${model}, ${gigabytes} GB of memory, ${type()} ${release()}, Node ${process.versions.node}, MongoDB ${mongodVersion}`;
}
