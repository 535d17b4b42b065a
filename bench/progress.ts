/** Says what is going on, on standard error: standard output is for the result. */
export type Progress = (step: string) => void;

export function createProgress(section: string): Progress {
  const startedMs = performance.now();
  return (step) => {
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    process.stderr.write(`${section.padEnd(10)} ${String(seconds).padStart(4)} s  ${step}\n`);
  };
}
