import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startTestServer } from '../support/server.js';
import { buildServer } from '../support/serverProcess.js';
import {
  createProject,
  METERED_CALLS,
  OUTCOME_OF_METERED_CALLS,
  OUTCOME_OF_THREE_CALLS,
  pack,
  THREE_REMOTE_CALLS,
} from '../support/tarballs.js';

const INSTALL_MS = 300_000;

// The oldest Node that the packages promise, and the newest of each later line.
it.each(['20.19.0', '22', '24'])(
  '@continuum-billing/limits enforces a schema, and @continuum-billing/client meters and listens, on Node %s',
  async (version) => {
    await buildServer();
    const project = await createProject();
    const billing = await startTestServer();
    try {
      const limits = await pack('./packages/limits', project.folder);
      const client = await pack('./packages/client', project.folder);
      await project.install(limits.file, client.file, 'graphql@16', '@apollo/server@5', `node@${version}`);
      const node = join(project.folder, 'node_modules/node/bin/node');
      const running = await project.evaluate('console.log(JSON.stringify(process.versions.node))', { node });
      expect(running).toMatch(new RegExp(`^${version.replaceAll('.', '\\.')}(\\.|$)`));
      const tenant = await billing.createTenant();
      await billing.setLimits(tenant.id, { apiCallsPerDay: 2 });
      const { data } = await billing.gql(
        'mutation { createApiKey(input: { name: "lamps", scopes: [ENFORCE] }) { secret } }',
      );
      const env = { BILLING_URL: billing.url, SERVICE_KEY: data.createApiKey.secret, KEY: tenant.key };
      expect(await project.evaluate(THREE_REMOTE_CALLS, { node, env })).toEqual(OUTCOME_OF_THREE_CALLS);
      const other = await billing.createTenant();
      expect(await project.evaluate(METERED_CALLS, { node, env: { ...env, KEY: other.key } })).toEqual(
        OUTCOME_OF_METERED_CALLS,
      );
    } finally {
      await billing.stop();
      await project.remove();
    }
  },
  INSTALL_MS,
);
