import type { App } from './app.js';
import type { Config } from './config/config.js';

type WelcomeConfig = Pick<
  Config,
  'publicUrl' | 'adminApiKeys' | 'mockIsPublic' | 'openApiDocs' | 'sampleDomain'
> & { mongodbUri: string | null };

/** Queries to try, as they are inside of JSON. */
const STORE = 'mutation { storeMemory(input: {content: \\"hello\\"}) { id } }';
const CONSUME = 'mutation { consume(input: {endpoint: \\"hello\\"}) { allowed remaining } }';

const line = '─'.repeat(72);

const PUBLIC_MOCK = `
${line}
  MOCK MODE, OPEN TO OTHERS: anyone who reaches this server can buy any tier
  for free. Set STRIPE_SECRET_KEY to sell, or HOST=127.0.0.1 to try it alone.
${line}
`;

/**
 * The text that a person sees when the server is ready. In embedded mode, the first start creates a demo tenant and,
 * unless ADMIN_API_KEY is set, an operator key. Their secrets are in this text and nowhere else.
 */
export async function welcome(
  { services, models, url: ownUrl }: App,
  { publicUrl, mongodbUri, adminApiKeys, mockIsPublic, openApiDocs, sampleDomain }: WelcomeConfig,
): Promise<string> {
  const url = publicUrl ?? ownUrl;
  const docs = openApiDocs ? `   (REST: ${url}/docs)` : '';
  const where = `${mockIsPublic ? PUBLIC_MOCK : ''}
  Continuum Billing   ${url}/graphql${docs}
  dashboard           ${url}/admin

`;
  const isFirst = mongodbUri === null && (await models.tenants.exists({})) === null;
  if (!isFirst) return where;
  const input = { name: 'Demo', email: 'demo@example.com' };
  const { key, operatorKey } = await services.tenants.createFirst(input, adminApiKeys.length === 0);
  const keys = [
    `  demo tenant's key   ${key.secret}`,
    `  operator's key      ${operatorKey?.secret ?? 'as set in ADMIN_API_KEY'}`,
  ];
  return `${where}${line}
  First start: these keys are shown only once.

${keys.join('\n')}

  Try it:

  curl ${url}/graphql -H 'content-type: application/json' \\
    -H 'x-api-key: ${key.secret}' \\
    -d '{"query":"${sampleDomain ? STORE : CONSUME}"}'
${line}

`;
}
