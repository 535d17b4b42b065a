import { Schema } from 'mongoose';

/** Fields of documents whose changes are published to the operator's systems. */
export interface OutboxSource {
  /** A change is pending in the outbox. */
  unannounced?: true;
  /** Set when publishing failed, so that the next attempt is later and other documents are published meanwhile. */
  announceRetry?: { at: Date; tries: number; error: string };
}

/** Marks every write as pending, so that no writer can forget to. The index contains only marked documents. */
export function markWritesPending<T extends OutboxSource>(schema: Schema<T>): void {
  schema.add({ unannounced: Boolean, announceRetry: Schema.Types.Mixed } as never);
  schema.index({ unannounced: 1 } as never, { sparse: true });
  schema.pre(['updateOne', 'findOneAndUpdate'], function mark() {
    this.set('unannounced', true);
  });
}
