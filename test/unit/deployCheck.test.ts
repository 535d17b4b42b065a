import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'continuum-linters-'));
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

function install(name: string, script: string): void {
  writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(path, name), 0o755);
}

const check = () =>
  spawnSync(process.execPath, ['scripts/deployCheck.mjs'], { encoding: 'utf8', env: { PATH: path } });

describe('npm run deploy:check', () => {
  it('says which linters are not installed, and fails if there is none', () => {
    const { status, stdout } = check();
    expect(stdout).toContain('skipped  hadolint: hadolint is not installed');
    expect(stdout).toContain('Nothing was checked');
    expect(status).toBe(1);
  });

  it('passes with those that are there, and does without a Docker daemon', () => {
    install('kubectl', 'echo kind: Service');
    install('kubeconform', 'read -r line; [ "$line" = "kind: Service" ]');
    install('docker', 'exit 1');
    const { status, stdout } = check();
    expect(stdout).toContain('skipped  docker build --check: the Docker daemon does not answer');
    expect(stdout).toContain('ok       kubectl kustomize\n');
    expect(stdout).toContain('ok       kubeconform\n');
    expect(status).toBe(0);
  });

  it('fails with what one of them found', () => {
    install('kubectl', 'true');
    install('hadolint', 'echo "DL3007 Using latest"; exit 1');
    const { status, stdout } = check();
    expect(stdout).toContain('failed   hadolint: \nDL3007 Using latest');
    expect(status).toBe(1);
  });
});
