import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { codeBlocks, codeIn } from '../support/documents.js';

const read = (file: string): string => readFileSync(file, 'utf8');
const yaml = (file: string) => parse(read(file));
const documented = new Set(
  [...read('docs/reference/configuration.md').matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(
    ([, name]) => name as string,
  ),
);
const isKnown = (name: string): boolean => documented.has(name) || name.startsWith('STRIPE_PRICE_');

/** The manifests that docs/deploying.md shows, by their kind. */
const shown = new Map(
  codeIn('docs/deploying.md', 'yaml')
    .map((code) => parse(code))
    .map((manifest) => [manifest.kind, manifest]),
);
const LABELS = { 'app.kubernetes.io/name': 'continuum-billing' };

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

  it('composes one server on port 4000, or several, each on a port of a range', () => {
    const { server } = yaml('deploy/compose.yaml').services;
    expect(server.ports).toEqual([expect.stringMatching(/^\$\{SERVER_PORTS:-4000\}:4000$/)]);
    // A name of its own, or a port of the host that is fixed, allows one only.
    expect(server.container_name).toBeUndefined();
    expect(read('docs/deploying.md')).toContain('SERVER_PORTS=4000-4001');
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

  it('labels the pods as the budget, the spread, and the policy and monitor in the documentation select them', () => {
    const [{ pairs, includeSelectors }] = yaml('deploy/kubernetes/kustomization.yaml').labels;
    expect({ pairs, includeSelectors }).toEqual({ pairs: LABELS, includeSelectors: true });
    // kustomize adds no selector to these, and a budget without one protects nothing.
    const budget = yaml('deploy/kubernetes/disruption-budget.yaml').spec.selector;
    const [spread] = yaml('deploy/kubernetes/deployment.yaml').spec.template.spec.topologySpreadConstraints;
    const monitor = parse(codeIn('docs/metrics.md', 'yaml').join('')).spec.selector;
    const policy = shown.get('NetworkPolicy').spec.podSelector;
    for (const selector of [budget, spread.labelSelector, monitor, policy])
      expect(selector).toEqual({ matchLabels: LABELS });
  });

  it('has what the overlay in the documentation names', () => {
    const base = yaml('deploy/kubernetes/kustomization.yaml');
    const deployment = yaml('deploy/kubernetes/deployment.yaml');
    const [container] = deployment.spec.template.spec.containers;
    const overlay = shown.get('Kustomization');
    expect(overlay.images[0].name).toBe(base.images[0].name);
    const patch = parse(overlay.patches[0].patch);
    expect(patch.metadata.name).toBe(deployment.metadata.name);
    const [patched] = patch.spec.template.spec.containers;
    expect(patched.name).toBe(container.name);
    expect(patched.env.every(({ name }: { name: string }) => isKnown(name))).toBe(true);
    const service = yaml('deploy/kubernetes/service.yaml');
    const [rule] = shown.get('Ingress').spec.rules;
    expect(rule.http.paths[0].backend.service).toEqual({
      name: service.metadata.name,
      port: { name: service.spec.ports[0].name },
    });
    const ports = container.ports.map(({ name }: { name: string }) => name);
    const policed = shown.get('NetworkPolicy').spec.ingress;
    expect(policed.map((from: { ports: { port: string }[] }) => from.ports[0]?.port)).toEqual(ports);
  });

  it('has alerts that the command in docs/metrics.md makes a PrometheusRule of', () => {
    const command = codeBlocks('docs/metrics.md').find(({ code }) => code.includes('PrometheusRule'))?.code;
    const made = execFileSync('bash', ['-euc', `kubectl() { cat; }\n${command}`], { encoding: 'utf8' });
    expect(parse(made)).toMatchObject({
      kind: 'PrometheusRule',
      spec: yaml('deploy/prometheus/alerts.yml'),
    });
  });

  it('keeps the secrets of a deployment out of git and out of the image', () => {
    expect(execFileSync('git', ['check-ignore', 'deploy/.env'], { encoding: 'utf8' })).toBe('deploy/.env\n');
    expect(read('.dockerignore').split('\n')).toContain('**/*.env');
  });
});
