import type { Schema } from 'mongoose';

/** On documents whose changes the operator's systems are told of. */
export interface Announceable {
  /** Something was written and not announced yet. */
  unannounced?: true;
}

/** Marks each write as unannounced, so that no writer can forget it. Only marked documents are in the index. */
export function announceWrites<T extends Announceable>(schema: Schema<T>): void {
  schema.add({ unannounced: Boolean } as never);
  schema.index({ unannounced: 1 } as never, { sparse: true });
  schema.pre(['updateOne', 'findOneAndUpdate'], function mark() {
    this.set('unannounced', true);
  });
}
