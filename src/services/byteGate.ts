/** Lets work begin while what it and the others hold in memory stays below a bound; the rest waits in order. */
export interface ByteGate {
  /** @param bytes that the work may hold at once; more than the bound counts as the bound */
  run<T>(bytes: number, work: () => Promise<T>): Promise<T>;
}

export function createByteGate(maxBytes: number): ByteGate {
  const waiting: { bytes: number; begin: () => void }[] = [];
  let held = 0;

  function beginWaiting(): void {
    for (let next = waiting[0]; next && held + next.bytes <= maxBytes; next = waiting[0]) {
      waiting.shift();
      held += next.bytes;
      next.begin();
    }
  }

  return {
    async run(wanted, work) {
      const bytes = Math.min(wanted, maxBytes);
      if (waiting.length === 0 && held + bytes <= maxBytes) held += bytes;
      else await new Promise<void>((begin) => waiting.push({ bytes, begin }));
      try {
        return await work();
      } finally {
        held -= bytes;
        beginWaiting();
      }
    },
  };
}
