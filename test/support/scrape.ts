/** One line of a scrape. */
export interface Sample {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

export interface Scrape {
  status: number;
  contentType: string | null;
  text: string;
  samples: Sample[];
  /** The value of the sample with these labels; 0 if there is none. */
  value(name: string, labels?: Record<string, string>): number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"';
/** Prometheus reads NaN in any case, and prom-client writes Nan. */
const VALUE = '[+-]?Inf|Na[nN]|[+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:e[+-]?\\d+)?';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)?\\})? (${VALUE})$`);
const COMMENT = new RegExp(`^# (?:HELP ${NAME} .+|TYPE ${NAME} (?:counter|gauge|histogram|summary))$`);

/** Reads metrics, and holds them to the text format of Prometheus: a line that breaks it is an error. */
export async function scrape(url: string, headers: Record<string, string> = {}): Promise<Scrape> {
  const response = await fetch(url, { headers });
  const text = await response.text();
  const samples = response.ok ? parse(text) : [];
  return {
    status: response.status,
    contentType: response.headers.get('content-type'),
    text,
    samples,
    value(name, labels = {}) {
      const found = samples.filter(
        (sample) =>
          sample.name === name &&
          Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
      );
      return found.reduce((sum, { value }) => sum + value, 0);
    },
  };
}

function parse(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('The last line has no end');
  const samples: Sample[] = [];
  const seen = new Set<string>();
  for (const line of text.split('\n').filter(Boolean)) {
    if (line.startsWith('#')) {
      if (!COMMENT.test(line)) throw new Error(`Not a comment of the format: ${line}`);
      continue;
    }
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) throw new Error(`Not a sample: ${line}`);
    const series = line.slice(0, line.lastIndexOf(' '));
    if (seen.has(series)) throw new Error(`Twice: ${series}`);
    seen.add(series);
    const pairs = [...labels.matchAll(new RegExp(LABEL, 'g'))].map(([pair]) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), pair.slice(at + 2, -1)];
    });
    samples.push({
      name,
      labels: Object.fromEntries(pairs),
      value: Number(value?.replace('Inf', 'Infinity')),
    });
  }
  return samples;
}
