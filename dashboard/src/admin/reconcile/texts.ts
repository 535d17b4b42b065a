import { formatEnum } from '../../design/index.js';
import type { Run } from './documents.js';

/** Who or what began a run. */
export function startedText({ trigger, startedBy }: Pick<Run, 'trigger' | 'startedBy'>): string {
  switch (trigger) {
    case 'OPERATOR':
      return startedBy?.replace(/^operator:/, 'Operator ') ?? 'Operator';
    case 'SCRIPT':
      return 'continuum-billing stripe reconcile';
    case 'SCHEDULE':
      return 'Schedule';
    default:
      return 'Earlier version';
  }
}

export function statusOf({ status, dryRun }: Pick<Run, 'status' | 'dryRun'>): string {
  return `${formatEnum(status)}${dryRun ? ', only looked' : ''}`;
}
