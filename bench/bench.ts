import type { LoadProcess } from './load/loadProcess.js';
import type { BenchMongod } from './mongod.js';
import type { Progress } from './progress.js';
import type { Findings } from './report.js';
import type { BusyTenant } from './stored/tenants.js';

/** What every section works with. */
export interface Bench {
  mongod: BenchMongod;
  load: LoadProcess;
  quick: boolean;
  /** How long one round takes. */
  seconds: number;
  rounds: number;
  /** The tenants that make calls; made once, for their keys take time. */
  busyTenants: readonly BusyTenant[];
  progress: Progress;
}

export type Section = (bench: Bench) => Promise<Findings>;
