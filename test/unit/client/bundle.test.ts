import { createContext, runInContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import type { Rolldown } from 'vite';
import { beforeAll, expect, it } from 'vitest';
import { bundleClient } from '../../support/clientBundle.js';

const MAX_GZIPPED_BYTES = 15_000;

let chunk: Rolldown.OutputChunk;

beforeAll(async () => {
  chunk = await bundleClient();
});

it('the client for browsers is small, and imports nothing', () => {
  expect(gzipSync(chunk.code).byteLength).toBeLessThan(MAX_GZIPPED_BYTES);
  expect([chunk.imports, chunk.dynamicImports]).toEqual([[], []]);
  const modules = Object.keys(chunk.modules).filter((id) => !id.includes('/packages/client/src/'));
  expect(modules.filter((id) => !id.startsWith('\0'))).toEqual([]);
  expect(/["'`]node:|\brequire\(/.test(chunk.code)).toBe(false);
});

it('it works where there are only the globals of the web', async () => {
  const requests: RequestInit[] = [];
  const answerTo = (body: unknown) =>
    String(body).includes('recordUsage')
      ? { recordUsage: [{ id: 'a', status: 'ACCEPTED', reason: null }] }
      : { usage: { apiCalls: 3 } };
  const edge = createContext({
    AbortController,
    clearTimeout,
    crypto,
    queueMicrotask,
    Response,
    setTimeout,
    TextDecoder,
    URL,
    fetch: async (_url: string, init: RequestInit) => {
      requests.push(init);
      return Response.json({ data: answerTo(init.body) });
    },
  });
  runInContext(chunk.code.replace(/^(var|const|let) billing/, 'globalThis.billing'), edge);
  const outcome = await runInContext(
    `(async () => {
      const client = billing.createBillingClient({ url: 'https://billing.example.com', apiKey: 'key' });
      const meter = client.meter();
      const id = meter.record({ endpoint: 'render', id: 'a' });
      await meter.flush();
      return { id, waiting: meter.waiting, usage: await client.usage(), hasProcess: typeof process };
    })()`,
    edge,
  );
  expect(outcome).toEqual({ id: 'a', waiting: 0, usage: { apiCalls: 3 }, hasProcess: 'undefined' });
  expect(requests.map(({ headers }) => (headers as Record<string, string>)['x-api-key'])).toEqual([
    'key',
    'key',
  ]);
});
