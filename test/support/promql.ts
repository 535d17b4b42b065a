import { parser } from '@prometheus-io/lezer-promql';

/** A metric that an expression reads, with the labels that it names there. */
export interface Selector {
  metric: string;
  labels: string[];
}

/** @throws Error for an expression that Prometheus would reject for its syntax */
export function selectorsOf(expr: string): Selector[] {
  const selectors: Selector[] = [];
  parser.parse(expr).iterate({
    enter({ name, node, from, to }) {
      if (name === '⚠') throw new Error(`Not PromQL at character ${from}: ${expr}`);
      if (name !== 'VectorSelector') return;
      const labels = node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? [];
      selectors.push({
        metric: expr.slice(from, node.getChild('Identifier')?.to ?? to),
        labels: labels.map((matcher) => {
          const label = matcher.getChild('LabelName');
          return expr.slice(label?.from, label?.to);
        }),
      });
    },
  });
  if (selectors.length === 0) throw new Error(`It reads no metric: ${expr}`);
  return selectors;
}
