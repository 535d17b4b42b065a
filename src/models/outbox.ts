import { Schema } from 'mongoose';

/** On documents whose changes the operator's systems are told of. */
export interface OutboxSource {
  /** Something was written and not announced yet. */
  unannounced?: true;
  /** While its events could not be made: the other documents go on. */
  announceRetry?: { at: Date; tries: number; error: string };
}

/** Marks each write as unannounced, so that no writer can forget it. Only marked documents are in the index. */
export function markWritesPending<T extends OutboxSource>(schema: Schema<T>): void {
  schema.add({ unannounced: Boolean, announceRetry: Schema.Types.Mixed } as never);
  schema.index({ unannounced: 1 } as never, { sparse: true });
  schema.pre(['updateOne', 'findOneAndUpdate'], function mark() {
    this.set('unannounced', true);
  });
}
