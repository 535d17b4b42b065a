/**
 * Numbers that rise in order of creation: microseconds of the wall clock, never the same twice in a process.
 * A counter in the database would make every two transactions conflict.
 */
export function createSequence(): () => number {
  let last = 0;
  return () => {
    last = Math.max(last + 1, Date.now() * 1000);
    return last;
  };
}
