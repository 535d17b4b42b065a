/** What differs from run to run, and what stands for it. */
const CHANGING: readonly [RegExp, string][] = [
  [/\b(?:localhost|127\.0\.0\.1):\d+/g, 'SERVER'],
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'INSTANT'],
  [/#link=[\w-]+/g, '#link'],
  [/\/export\/v1\.[\w.-]+…?/g, '/export/TOKEN'],
  [/\bwhsec_[\w+/=]+/g, 'SECRET'],
  [/\b[A-Z0-9]{8}-\d{4}\b/g, 'INVOICE'],
  [/\bctm_(?:test|live)_[\w-]+…?/g, 'SECRET'],
  [/\b([a-z]{2,3}(?:_mock)?)_[A-Za-z0-9]{12,}…?/g, '$1_ID'],
];
/** Fields whose values are random texts. */
const RANDOM = new Set(['id', 'endCursor', 'cursor', 'token']);

const withoutChanging = (text: string): string =>
  CHANGING.reduce((changed, [pattern, name]) => changed.replaceAll(pattern, name), text);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** @returns what differs between a value that a document shows and a real one */
function differences(shown: unknown, real: unknown, path: string): string[] {
  if (isObject(shown) && isObject(real)) {
    const keys = new Set([...Object.keys(shown), ...Object.keys(real)]);
    return [...keys].flatMap((key) => differences(shown[key], real[key], `${path}.${key}`));
  }
  if (typeof shown === 'string' && typeof real === 'string') {
    if (RANDOM.has(path.split('.').at(-1) ?? '')) return [];
    if (withoutChanging(shown) === withoutChanging(real)) return [];
  } else if (shown === real) return [];
  return [`${path} is ${JSON.stringify(real)}, not ${JSON.stringify(shown)}`];
}

/**
 * Compares what a document says that curl prints with what it prints. A line `…` stands for headers; each other line that is
 * no header is one JSON response.
 * @returns what differs
 */
export function outputDifferences(shown: string, real: string): string[] {
  const [expected, printed] = [shown, real].map((text) => text.trim().split(/\s*\n/)) as [string[], string[]];
  const isBody = (line: string) => line.startsWith('{');
  const headers = expected.filter((line) => !isBody(line) && line !== '…');
  const bodies = printed.filter(isBody);
  return [
    ...headers.filter((line) => !printed.includes(line)).map((line) => `it does not print ${line}`),
    ...expected
      .filter(isBody)
      .flatMap((body, index) => differences(JSON.parse(body), JSON.parse(bodies[index] ?? 'null'), 'body')),
  ];
}
