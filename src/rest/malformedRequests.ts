import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { ErrorCode } from '../errors.js';

/** What Node rejects before there is a request, by its error's code. */
const PROBLEMS: Readonly<Record<string, [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request took too long to arrive'],
  HPE_HEADER_OVERFLOW: [431, 'The URL and the headers are larger than 16 KB together'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The extensions of a chunk are too large'],
};

const JSON_TYPE = 'application/json; charset=utf-8';
const bodyOf = (message: string) => JSON.stringify({ error: { code: ErrorCode.BAD_USER_INPUT, message } });

/** Answers what is no HTTP, as any other mistake of a client is answered, and closes the connection. */
export function answerMalformed(
  headers: Readonly<Record<string, string>>,
): (error: NodeJS.ErrnoException, socket: Socket) => void {
  return (error, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const [status, message] = PROBLEMS[error.code ?? ''] ?? [400, 'The request is not valid HTTP'];
    const body = bodyOf(message);
    const lines = Object.entries({
      ...headers,
      'content-type': JSON_TYPE,
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    }).map(([name, value]) => `${name}: ${value}`);
    socket.write([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'));
    socket.destroySoon();
  };
}

/** Node answers an expectation other than `100-continue` by itself, without a body. */
export function answerExpectations(server: Server, headers: Readonly<Record<string, string>>): void {
  const body = bodyOf('The header Expect may be 100-continue alone');
  const own = { 'content-type': JSON_TYPE, 'content-length': Buffer.byteLength(body), connection: 'close' };
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(417, { ...headers, ...own }).end(body);
  });
}
