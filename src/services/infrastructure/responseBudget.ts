import { type BillingError, responseTooLarge } from '../../common/errors.js';
import { sizeOfJson } from '../../common/jsonSize.js';

/** Bounds what is read into memory for one response. */
export interface ReadBudget {
  /** @throws RESPONSE_TOO_LARGE once more was read than a response may contain; stop reading then */
  read(bytes: number): void;
}

/** Bounds a response while it is being built, so that memory use stays close to the bound. */
export interface ResponseBudget extends ReadBudget {
  readonly maxBytes: number;
  /** Set before resolvers run. The result of a mutation must be reported, so only its nullable fields are left out. */
  isMutation: boolean;
  /** Whether a value was left out. */
  readonly exceeded: boolean;
  /**
   * Counts a field's value.
   * @param value as JSON writes it
   * @param nameBytes the size of the field's name
   * @param nullable whether the field may be null
   * @returns whether the value is in the response; if not, the field is null
   * @throws RESPONSE_TOO_LARGE the first time, and whenever the field cannot be null
   */
  write(value: unknown, nameBytes: number, nullable: boolean): boolean;
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
    write(value, nameBytes, nullable) {
      if (exceeded && !this.isMutation) {
        if (nullable) return false;
        throw exceed();
      }
      // Non-null fields of a mutation, such as ids, get extra room: the document bounds their number.
      const left = (this.isMutation && !nullable ? 2 : 1) * maxBytes - written;
      const size = nameBytes + sizeOfJson(value, left);
      if (size <= left) {
        written += size;
        return true;
      }
      if (nullable && exceeded) return false;
      throw exceed();
    },
  };
}
