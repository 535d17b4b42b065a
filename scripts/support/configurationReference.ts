import { DESCRIPTIONS, PRICE_DESCRIPTIONS, type VariableDescription } from '../../src/config/descriptions.js';
import { type Environment, environment } from '../../src/config/environment.js';

const INTRODUCTION = `# Configuration

The environment is read once, at the start. All configuration errors are listed at once, and the process exits with code 1.
An empty variable counts as absent. [\`npx continuum-billing doctor\`](../doctor.md) checks the variables without starting the server.

In production the server does not start without \`STRIPE_SECRET_KEY\`, unless \`STRIPE_MOCK_MODE=true\`. The same applies
anywhere if \`HOST\` is not loopback (127.0.0.0/8, \`::1\`, \`localhost\`), as is the default with \`MONGODB_URI\`: in mock mode
anyone who reaches the server can buy any tier for nothing. If you allow it, the greeting and the log (\`mock.public\`)
warn.

\`\`\`
The configuration has 2 errors:
  - STRIPE_WEBHOOK_SECRET: is missing; live mode needs it
  - STRIPE_PRICE_PRO: is missing; live mode needs the Stripe price id of PRO
\`\`\`
`;

function defaultOf(name: keyof Environment): string {
  const { success, data } = environment.shape[name].safeParse(undefined);
  return success && data !== undefined ? `\`${data}\`` : 'none';
}

function rowOf(name: string, standard: string, { without, meaning }: VariableDescription): string {
  const text = meaning.replaceAll(/\]\((?=[\w-]+\.md)/g, '](../');
  return `| ${name} | ${without ?? standard} | ${text} |`;
}

/** docs/reference/configuration.md. */
export function configurationReference(): string {
  const rows = Object.entries(DESCRIPTIONS).map(([name, description]) =>
    rowOf(`\`${name}\``, defaultOf(name as keyof Environment), description),
  );
  const prices = Object.entries(PRICE_DESCRIPTIONS).map(([names, description]) =>
    rowOf(names, 'none', description),
  );
  const table = ['| variable | default | value |', '|---|---|---|', ...rows, ...prices];
  return `${INTRODUCTION}\n${table.join('\n')}\n`;
}
