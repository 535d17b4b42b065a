/** Embeddings are stored as little-endian float64s: exact, and a third of the size of a BSON array. */
export function packEmbedding(numbers: readonly number[]): Buffer {
  return Buffer.from(Float64Array.from(numbers).buffer);
}

export function unpackEmbedding(packed: Buffer | { buffer: Uint8Array }): Float64Array {
  const { buffer, byteOffset, byteLength } = Buffer.isBuffer(packed) ? packed : packed.buffer;
  // Copied: the driver's buffers need not begin at a multiple of eight.
  return new Float64Array(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
}

/** @returns -1 to 1; 0 when either has no length */
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
  return squareA === 0 || squareB === 0 ? 0 : dot / Math.sqrt(squareA * squareB);
}
