import { randomBytes } from 'node:crypto';
import type { Charge } from '@continuum-billing/limits/core';
import { mongo } from 'mongoose';
import { z } from 'zod';
import type { Clock } from '../../../common/clock.js';
import type { Models } from '../../../models/models.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';
import type { Signer } from '../../infrastructure/signer.js';

/** What a decision took of a tenant's limits, for the service that it was given to. */
export interface Receipt {
  tenantId: string;
  /** The key of the service. */
  service: string;
  chargedAtMs: number | null;
  charges: readonly Charge[];
  /** For each endpoint that was counted under another name: that name. */
  countedAs: Readonly<Record<string, string>>;
  reservationIds: readonly string[];
  /** Unique among the tenant's receipts. */
  number: string;
  expiresAtMs: number;
}

/** Signed receipts: services keep them, so that nothing needs to be stored for a decision. */
export interface Receipts {
  issue(granted: Omit<Receipt, 'number' | 'expiresAtMs'>): string;
  /** @returns what the receipt says, or why it is not accepted */
  read(text: string, service: string): Promise<Receipt | 'INVALID' | 'EXPIRED'>;
  /** Marks receipts as used, on disk. @returns those that were not used before; each once */
  redeem(receipts: readonly Receipt[]): Promise<Receipt[]>;
}

/** Longer than an operation of a service takes. */
const LIFE_MS = 15 * 60_000;

/** Short names: a receipt travels twice. */
const content = z.object({
  t: z.string(),
  s: z.string(),
  a: z.number().nullable(),
  c: z.array(z.tuple([z.string(), z.number()])),
  o: z.record(z.string(), z.string()),
  h: z.array(z.string()),
  n: z.string(),
  e: z.number(),
});

export function createReceipts(deps: { models: Models; clock: Clock; signer: Signer }): Receipts {
  const { models, clock, signer } = deps;
  /** Receipts are signed, so their numbers need not be secret: random bytes for each would take as long as its signature. */
  const prefix = randomBytes(12).toString('base64url');
  let issued = 0;
  return {
    issue({ tenantId, service, chargedAtMs, charges, countedAs, reservationIds }) {
      const payload: z.infer<typeof content> = {
        t: tenantId,
        s: service,
        a: chargedAtMs,
        c: charges.map(({ endpoint, calls }) => [endpoint, calls]),
        o: countedAs,
        h: [...reservationIds],
        n: `${prefix}${(issued++).toString(36)}`,
        e: clock.now() + LIFE_MS,
      };
      return signer.sign(payload);
    },

    async read(text, service) {
      const signed = await signer.read(text);
      if (signed === null) return 'INVALID';
      const { t, s, a, c, o, h, n, e } = content.parse(signed);
      if (s !== service) return 'INVALID';
      if (e <= clock.now()) return 'EXPIRED';
      const charges = c.map(([endpoint, calls]) => ({ endpoint, calls }));
      return {
        tenantId: t,
        service: s,
        chargedAtMs: a,
        charges,
        countedAs: o,
        reservationIds: h,
        number: n,
        expiresAtMs: e,
      };
    },

    async redeem(receipts) {
      if (receipts.length === 0) return [];
      const docs = receipts.map(({ tenantId, number, expiresAtMs }) => ({
        _id: `${tenantId}:${number}`,
        // Clocks of instances differ a little: one must not accept what another has forgotten.
        expiresAt: new Date(expiresAtMs + LIFE_MS),
      }));
      try {
        await models.endedReceipts.collection.insertMany(docs as never[], { ordered: false });
        return [...receipts];
      } catch (error) {
        if (!(error instanceof mongo.MongoBulkWriteError)) throw error;
        const errors = [error.writeErrors].flat();
        // The driver throws the same class, without an error for any write, if it did not reach the server.
        const areUsed = errors.length > 0 && errors.every(isDuplicateKey);
        if (!areUsed || error.result.getWriteConcernError()) throw error;
        const used = new Set(errors.map(({ index }) => index));
        return receipts.filter((_, i) => !used.has(i));
      }
    },
  };
}
