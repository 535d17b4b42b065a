/** Runs works that share a name one after the other, in the order in which they are asked for; others at once. */
export interface Turns {
  run<T>(names: readonly string[], work: () => Promise<T>): Promise<T>;
  /** Whether a work with this name runs or waits. */
  isTaken(name: string): boolean;
}

export function createTurns(): Turns {
  /** The last work of each name. */
  const last = new Map<string, Promise<void>>();
  return {
    run(names, work) {
      const next = Promise.all(names.map((name) => last.get(name))).then(work);
      const ended = next.then(ignore, ignore).then(() => {
        for (const name of names) if (last.get(name) === ended) last.delete(name);
      });
      for (const name of names) last.set(name, ended);
      return next;
    },
    isTaken: (name) => last.has(name),
  };
}

const ignore = (): void => undefined;
