import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Lets other processes speak to a mock of Stripe that opens no port: they are given its address as STRIPE_API_BASE.
 * @param mockFetch what it throws is a connection that is lost
 */
export async function openStripeBridge(
  mockFetch: typeof fetch,
): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      const headers = new Headers();
      for (const [name, value] of Object.entries(request.headers)) headers.set(name, String(value));
      const { method = 'GET' } = request;
      const body = method === 'POST' ? Buffer.concat(chunks).toString('utf8') : null;
      try {
        const answer = await mockFetch(`http://stripe.test${request.url}`, { method, headers, body });
        response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
      } catch {
        request.socket.destroy();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
