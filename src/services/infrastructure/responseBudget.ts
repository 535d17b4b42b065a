import { type BillingError, responseTooLarge } from '../../common/errors.js';

/** What may be read into memory for one response. */
export interface ReadBudget {
  /** @throws RESPONSE_TOO_LARGE when no response may hold so much: nothing more is to be read for it */
  read(bytes: number): void;
}

/** Bounds one response while it is being made, so that memory never holds much more than the bound. */
export interface ResponseBudget extends ReadBudget {
  readonly maxBytes: number;
  /** Set before anything runs. What a mutation did must be answered: only what may be null is left out of it. */
  isMutation: boolean;
  /** Whether something was left out. */
  readonly exceeded: boolean;
  /**
   * Counts a field's value.
   * @param sizeOf measures it, no further than it is told to
   * @param nullable whether it may be left out alone
   * @returns whether it is in the response; false: it is null
   * @throws RESPONSE_TOO_LARGE the first time, and where null is not possible
   */
  write(sizeOf: (enough: number) => number, nullable: boolean): boolean;
}

export function createResponseBudget(maxBytes: number): ResponseBudget {
  let written = 0;
  let read = 0;
  let exceeded = false;

  function exceed(): BillingError {
    exceeded = true;
    return responseTooLarge(maxBytes);
  }

  return {
    maxBytes,
    isMutation: false,
    get exceeded() {
      return exceeded;
    },
    read(bytes) {
      read += bytes;
      if (exceeded || read > maxBytes) throw exceed();
    },
    write(sizeOf, nullable) {
      if (exceeded && !this.isMutation) {
        if (nullable) return false;
        throw exceed();
      }
      // Ids and the like of a mutation get room of their own, as the document bounds how many they are.
      const left = (this.isMutation && !nullable ? 2 : 1) * maxBytes - written;
      const size = sizeOf(left);
      if (size <= left) {
        written += size;
        return true;
      }
      if (nullable && exceeded) return false;
      throw exceed();
    },
  };
}
