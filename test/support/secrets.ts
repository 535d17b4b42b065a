import { expect } from 'vitest';

/**
 * Searches what the servers of a test file write for every secret that the file has made. A secret is known by its longest
 * run of letters and digits, so that a line costs one lookup for each of its words, however many secrets there are.
 */
const known = new Set<string>();
const leaks: string[] = [];

const RUNS = /[0-9A-Za-z]{12,}/g;
/** Fields of answers that hold a secret. */
const SECRET_FIELDS = /"(?:secret|token)":"([^"]+)"|"exportTenant":\{[^}]*"url":"([^"]+)"/g;

const longestRun = (secret: string): string =>
  (secret.match(RUNS) ?? []).reduce((longest, run) => (run.length > longest.length ? run : longest), '');

/** @returns the secrets of an answer, which are searched for from now on */
export function noteSecrets(answer: string): string[] {
  const secrets = [...answer.matchAll(SECRET_FIELDS)].map(([, field, url]) => (field ?? url) as string);
  for (const secret of secrets) {
    const run = longestRun(secret);
    if (run) known.add(run);
  }
  return secrets;
}

/** Remembers a text that has a secret in it. */
export function searchForSecrets(text: string): void {
  if (text.match(RUNS)?.some((run) => known.has(run))) leaks.push(text);
}

/** Fails if any text had one. */
export function expectNoLeaks(): void {
  expect(leaks.splice(0)).toEqual([]);
}
