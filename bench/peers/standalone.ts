import type { IncomingMessage } from 'node:http';
import type { ApolloServer, BaseContext } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';

/** Serves as a process of its own, sends its parent the address, and ends with it. */
export async function serveStandalone<C extends BaseContext>(
  server: ApolloServer<C>,
  context: (request: IncomingMessage) => C,
): Promise<void> {
  const { url } = await startStandaloneServer(server, {
    listen: { port: 0, host: '127.0.0.1' },
    context: async ({ req }) => context(req),
  });
  process.send?.({ url });
  process.on('disconnect', () => process.exit(0));
}
