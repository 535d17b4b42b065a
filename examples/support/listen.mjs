import { createServer } from 'node:http';

/** Listens on PORT, says so on standard output, and ends on a signal. */
export function listen(handler, defaultPort, path = '') {
  const server = createServer(handler);
  server.listen(Number(process.env.PORT ?? defaultPort), '127.0.0.1', () => {
    console.log(`Listening on http://127.0.0.1:${server.address().port}${path}`);
  });
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      server.close(() => process.exit(0));
      server.closeAllConnections();
    });
  }
}
