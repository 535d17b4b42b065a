import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const read = (file: string): string => readFileSync(file, 'utf8');
const yaml = (file: string) => parse(read(file));
const documented = new Set(
  [...read('docs/reference/configuration.md').matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(
    ([, name]) => name as string,
  ),
);
const isKnown = (name: string): boolean => documented.has(name) || name.startsWith('STRIPE_PRICE_');

describe('deploy/', () => {
  it('sets only variables that the server reads', () => {
    const example = [...read('deploy/environment.example').matchAll(/^#? ?([A-Z][A-Z0-9_]+)=/gm)];
    const composed = Object.keys(yaml('deploy/compose.yaml').services.server.environment);
    const [server] = yaml('deploy/kubernetes/deployment.yaml').spec.template.spec.containers;
    const names = [
      ...example.map(([, name]) => name as string),
      ...composed,
      ...server.env.map(({ name }: { name: string }) => name),
    ];
    expect(names.filter((name) => !isKnown(name))).toEqual([]);
  });

  it('has no alert without an entry in docs/alerts.md, which has no others', () => {
    const { groups } = yaml('deploy/prometheus/alerts.yml');
    const alerts = groups.flatMap(({ rules }: { rules: { alert: string }[] }) =>
      rules.map(({ alert }) => alert),
    );
    const entries = [...read('docs/alerts.md').matchAll(/^## `(\w+)`$/gm)].map(([, name]) => name);
    expect(entries.toSorted()).toEqual(alerts.toSorted());
  });

  it('leaves a stopping server the time that it may take', () => {
    const { spec } = yaml('deploy/kubernetes/deployment.yaml').spec.template;
    const [{ env }] = spec.containers;
    const notice = Number(env.find(({ name }: { name: string }) => name === 'SHUTDOWN_NOTICE_SECONDS').value);
    const DRAIN_S = 12;
    const EXIT_S = 8;
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(notice + DRAIN_S + EXIT_S);
    const { stop_grace_period: grace } = yaml('deploy/compose.yaml').services.server;
    expect(Number.parseInt(grace, 10)).toBeGreaterThan(1 + DRAIN_S + EXIT_S);
  });

  it('names a version of each image, never the latest', () => {
    const { services } = yaml('deploy/compose.yaml');
    const images = [services.mongodb.image, services.redis.image];
    const [{ name, newTag }] = yaml('deploy/kubernetes/kustomization.yaml').images;
    const built = [...read('deploy/Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
    for (const image of [...images, `${name}:${newTag}`, ...built]) expect(image).toMatch(/:\d/);
  });

  it('lists every file of the base for Kubernetes', () => {
    const files = readdirSync('deploy/kubernetes').filter((file) => file !== 'kustomization.yaml');
    expect(yaml('deploy/kubernetes/kustomization.yaml').resources.toSorted()).toEqual(files.toSorted());
  });
});
