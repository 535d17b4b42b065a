import type { Logger } from 'pino';
import type { Clock } from '../common/clock.js';
import type { Models } from '../models/models.js';

/** A change of stored data. It may be interrupted anywhere, and is repeated from the beginning then. */
export interface Migration {
  name: string;
  run(deps: MigrationDeps): Promise<void>;
}

export interface MigrationDeps {
  models: Models;
  clock: Clock;
  log: Logger;
}
