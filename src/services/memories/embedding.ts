/** Embeddings are stored as little-endian float64s: exact, and a third of the size of a BSON array. */
export function packEmbedding(numbers: readonly number[]): Buffer {
  return Buffer.from(Float64Array.from(numbers).buffer);
}

type Packed = Buffer | { buffer: Uint8Array };

const bytesOf = (packed: Packed): Uint8Array => (Buffer.isBuffer(packed) ? packed : packed.buffer);

export function unpackEmbedding(packed: Packed): Float64Array {
  const { buffer, byteOffset, byteLength } = bytesOf(packed);
  // Copied, because the driver's buffers may not be aligned to eight bytes.
  return new Float64Array(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
}

/** Decodes into an existing array, so that a scan allocates nothing. @param into has the same length */
export function unpackInto(packed: Packed, into: Float64Array): void {
  new Uint8Array(into.buffer).set(bytesOf(packed).subarray(0, into.byteLength));
}

export const sizeOfPacked = (packed: Packed): number => bytesOf(packed).byteLength;

/** Sums of squares outside this range have overflowed or lost too many digits. */
const MIN_SQUARE = 1e-280;
const MAX_SQUARE = 1e300;

/** @returns -1 to 1, for finite numbers of any size; 0 when either vector is zero */
export function cosine(a: Float64Array, b: Float64Array): number {
  let dot = 0;
  let squareA = 0;
  let squareB = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number;
    const y = b[i] as number;
    dot += x * y;
    squareA += x * x;
    squareB += y * y;
  }
  if (isExact(squareA) && isExact(squareB)) {
    // Rounding may exceed 1.
    return Math.max(-1, Math.min(1, dot / (Math.sqrt(squareA) * Math.sqrt(squareB))));
  }
  const unitA = scaled(a);
  const unitB = scaled(b);
  return unitA && unitB ? cosine(unitA, unitB) : 0;
}

const isExact = (square: number): boolean => square > MIN_SQUARE && square < MAX_SQUARE;

/** @returns the vector scaled to a largest component of 1; null: it is zero */
function scaled(numbers: Float64Array): Float64Array | null {
  let largest = 0;
  for (const number of numbers) largest = Math.max(largest, Math.abs(number));
  return largest === 0 ? null : numbers.map((number) => number / largest);
}
