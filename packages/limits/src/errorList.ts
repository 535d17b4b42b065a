/** The message of an error that lists all errors found at once, one on each line. */
export const errorList = (what: string, errors: readonly string[]): string =>
  `${what} ${errors.length} error${errors.length === 1 ? '' : 's'}:\n${errors.map((error) => `  - ${error}`).join('\n')}`;
