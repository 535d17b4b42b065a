const BAR_CHARS = 24;

/**
 * Redraws one bar on a terminal; elsewhere it prints a line.
 * @param done the estimated part that is done, 0 to 1; null: unknown
 * @param text what is done, for example `customers: 300 compared`
 */
export function showProgress(
  done: number | null,
  text: string,
  stream: { write(text: string): unknown; isTTY?: boolean } = process.stderr,
): void {
  const full = Math.round((done ?? 0) * BAR_CHARS);
  const bar = done === null ? '' : `[${'#'.repeat(full)}${'-'.repeat(BAR_CHARS - full)}] `;
  stream.write(stream.isTTY ? `\r\x1b[K${bar}${text}${done === 1 ? '\n' : ''}` : `${bar}${text}\n`);
}
