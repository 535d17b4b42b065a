const BAR_CHARS = 24;
const ERASE_LINE = '\r\x1b[K';

type Stream = { write(text: string): unknown; isTTY?: boolean };

/**
 * Redraws one bar on a terminal; elsewhere it prints a line.
 * @param done the estimated part that is done, 0 to 1; null: unknown
 * @param text what is done, for example `customers: 300 compared`
 */
function showProgress(done: number | null, text: string, stream: Stream): void {
  const full = Math.round((done ?? 0) * BAR_CHARS);
  const bar = done === null ? '' : `[${'#'.repeat(full)}${'-'.repeat(BAR_CHARS - full)}] `;
  stream.write(stream.isTTY ? `${ERASE_LINE}${bar}${text}${done === 1 ? '\n' : ''}` : `${bar}${text}\n`);
}

/** Call it before something else is printed: on a terminal it would stand behind the bar. */
export function hideProgress(stream: Stream): void {
  if (stream.isTTY) stream.write(ERASE_LINE);
}

const PROGRESS_MS = 1_000;

/** @returns a function that shows how far a command is, at most once a second, and each time that something becomes done */
export function createProgress(stream: Stream): (done: number | null, text: string) => void {
  let shownMs = Number.NEGATIVE_INFINITY;
  let wasDone = false;
  return (done, text) => {
    const isDone = done !== null && done >= 1;
    const becomesDone = isDone && !wasDone;
    wasDone = isDone;
    if (!becomesDone && performance.now() < shownMs + PROGRESS_MS) return;
    shownMs = performance.now();
    showProgress(done && Math.min(done, 1), text, stream);
  };
}
